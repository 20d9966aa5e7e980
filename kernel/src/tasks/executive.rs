//! The loop of one core: serve others, ask `sched` what is next, run it until an interrupt, or halt.
//!
//! It runs on the core's own kernel stack with interrupts off; contexts are what it gives the core away to. The other
//! cores do nothing else for ever. The BSP's program calls [`Executive::turn`] while it waits for something, so that the
//! console is drained, and tasks run where there is no other core for them.
//!
//! A core loads a process's page tables when it runs one of its tasks and goes back to the kernel's own before it halts
//! or runs something else. So an idle core never needs a shootdown, and a process that is over is not kept alive.

use super::body::{Action, Body, KernelWork, Poll, Sleep, UserTask, WorkStep};
use super::process::{Ending, Process};
use super::{place, scheduler, wake};
use crate::cores::{self, machine};
use crate::metal::{apic, percore, time};
use crate::trap::context::Trap;
use crate::trap::interrupts::{self, Idle};
use crate::{console, memory};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use sched::{Core, Decision, Next, Outcome, TaskId, Ticks};
use smp::CoreId;

/// One core's executive.
#[derive(Debug)]
pub(crate) struct Executive {
    me: CoreId,
    core: Core,
    idle: Idle,
    /// The process whose page tables this core has loaded.
    loaded: Option<Arc<Process>>,
    /// When the program that calls [`Executive::turn`] wants the core back.
    patience: Ticks,
}

/// Why a task's turn on this core is over.
enum Leave {
    /// Its slice is over or it wants others to run.
    Yield,
    /// It waits, if not at once for ever then until this time.
    Block(Ticks),
    /// It is over, with this result.
    Exit(u64),
    /// Its time budget is used up.
    Exhausted,
    /// The BSP's own program wants the core back; for `sched` the task goes on running.
    Pause,
}

impl Executive {
    pub(super) fn new(core: Core) -> Self {
        Self {
            me: cores::me(),
            core,
            idle: Idle::new(),
            loaded: None,
            patience: Ticks::NEVER,
        }
    }

    /// Runs one task for one turn, or halts until an interrupt; comes back after about `patience_us` at
    /// the latest. A task that has to stop for that alone goes on in the next turn.
    pub(crate) fn turn(&mut self, patience_us: Option<u64>) {
        self.patience = patience_us.map_or(Ticks::NEVER, |us| {
            now().after(Ticks(us * time::ticks_per_us()))
        });
        machine().serve();
        if self.me == CoreId::BSP {
            console::drain();
            console::input::feed();
        }
        let (next, kick) = scheduler().next(&mut self.core, now());
        wake(kick);
        match next {
            Next::Run { task, until } => self.run(task, until),
            Next::Idle { until } => self.halt(until),
        }
    }

    /// Takes turns until `done` says so or the time is over; returns whether it did. On the BSP.
    pub(crate) fn run_until(&mut self, limit_us: u64, mut done: impl FnMut() -> bool) -> bool {
        const LOOK_AGAIN_US: u64 = 2_000;
        let end = time::now_us() + limit_us;
        while !done() {
            if time::now_us() >= end {
                return false;
            }
            self.turn(Some(LOOK_AGAIN_US));
        }
        true
    }

    fn halt(&mut self, until: Option<Ticks>) {
        self.leave_process();
        machine().quiesce.idle(self.me);
        arm(until.unwrap_or(Ticks::NEVER).min(self.patience));
        self.idle.wait();
        machine().quiesce.resume(self.me);
    }

    fn run(&mut self, task: TaskId, until: Ticks) {
        // Taken out of its place, so that a task that ends can drop its body on this core's terms.
        let Some(mut body) = place(task).lock().take() else {
            unreachable_body(task)
        };
        arm(until.min(self.patience));
        let leave = match &mut body {
            Body::User(user) => self.run_user(user),
            Body::Kernel(work) => self.run_kernel(work.as_mut()),
        };
        let process = match &body {
            Body::User(user) => Some(user.process.clone()),
            Body::Kernel(_) => None,
        };
        // From here on the body is where another core finds it, which may happen as soon as `sched` is told.
        *place(task).lock() = Some(body);
        let (outcome, result) = match leave {
            Leave::Pause => return,
            Leave::Exit(result) => {
                // Whatever it answers, a task that its own core ends is this core's to tear down.
                let _outcome = scheduler().exit(&mut self.core, now());
                (Outcome::Killed, result)
            }
            // Kernel work has no budget, so `Exhausted` does not come out of `run_kernel`.
            Leave::Yield | Leave::Exhausted => {
                self.take_off(|core| scheduler().preempted(core, now()))
            }
            Leave::Block(until) => self.take_off(|core| scheduler().sleep(core, now(), until)),
        };
        if outcome == Outcome::Killed {
            match process {
                Some(process) => process.remove(task, result),
                None => {
                    *place(task).lock() = None;
                    let _reaped = scheduler().reap(task);
                }
            }
        }
    }

    fn take_off(&mut self, leave: impl FnOnce(&mut Core) -> sched::Effect) -> (Outcome, u64) {
        let effect = leave(&mut self.core);
        wake(effect.kick);
        (effect.outcome, 0)
    }

    /// Runs a ring-3 task until its turn is over.
    fn run_user(&mut self, task: &mut UserTask) -> Leave {
        self.enter_process(&task.process);
        if task.started_ns == 0 {
            task.started_ns = time::now_ns();
        }
        if let Some(leave) = go_on_waiting(task) {
            return leave;
        }
        loop {
            let gs_base = task.process.program().gs_base(self.me, task);
            percore::current().set_user_gs_base(gs_base);
            let leave = match task.context.run() {
                Trap::Interrupt(vector) => self.interrupted(vector),
                Trap::Nmi => self.interrupted(2),
                Trap::Syscall => self.syscall(task),
                Trap::Fault(fault) => {
                    let report = task.process.program().explain(fault, &task.context);
                    Some(fail(task, report))
                }
                Trap::Finished | Trap::Panicked => {
                    Some(fail(task, String::from("left ring 3 in an unknown way")))
                }
            };
            match leave {
                None => {}
                Some(Leave::Exhausted) => {
                    let report = task.process.program().explain_time(&task.context);
                    return fail(task, report);
                }
                Some(leave) => return leave,
            }
        }
    }

    fn run_kernel(&mut self, work: &mut dyn KernelWork) -> Leave {
        self.leave_process();
        loop {
            match work.step() {
                WorkStep::Interrupted(vector) => {
                    if let Some(leave) = self.interrupted(vector) {
                        return leave;
                    }
                }
                WorkStep::More => return Leave::Yield,
                WorkStep::Wait => return Leave::Block(Ticks::NEVER),
                WorkStep::Done => return Leave::Exit(0),
            }
        }
    }

    /// Handles an interrupt that came while a task ran; says whether the task's turn is over.
    fn interrupted(&mut self, vector: u8) -> Option<Leave> {
        interrupts::handle(vector);
        // The core holds no reference to code here, and `iretq` serialises on the way back.
        machine().quiesce.pass(self.me);
        if self.me == CoreId::BSP {
            console::drain();
        }
        let (decision, kick) = scheduler().tick(&mut self.core, now());
        wake(kick);
        match decision {
            Decision::Continue { .. } if now() >= self.patience => Some(Leave::Pause),
            Decision::Continue { until } => {
                arm(until.min(self.patience));
                None
            }
            Decision::Preempt | Decision::Idle => Some(Leave::Yield),
            Decision::Exhausted => Some(Leave::Exhausted),
        }
    }

    fn syscall(&mut self, task: &mut UserTask) -> Option<Leave> {
        let process = task.process.clone();
        match process.program().syscall(task) {
            Action::Continue => None,
            Action::Yield => Some(Leave::Yield),
            Action::Sleep(us) => {
                let span = Ticks(us.saturating_mul(time::ticks_per_us()));
                task.wait = Some(Box::new(Sleep(now().after(span))));
                go_on_waiting(task)
            }
            Action::Wait(wait) => {
                task.wait = Some(wait);
                go_on_waiting(task)
            }
            Action::Pin(pin) => {
                let pinned = scheduler().pin_current(&mut self.core, pin);
                task.context.registers.rax = pinned.map_or(process.program().no_room(), |()| 0);
                Some(Leave::Yield)
            }
            Action::Exit(result) => Some(Leave::Exit(result)),
            Action::ExitProcess(result) => {
                process.end(Ending::Exited(result));
                Some(Leave::Exit(result))
            }
            Action::Fail(report) => Some(fail(task, report)),
        }
    }

    fn enter_process(&mut self, process: &Arc<Process>) {
        if self
            .loaded
            .as_ref()
            .is_some_and(|loaded| Arc::ptr_eq(loaded, process))
        {
            return;
        }
        process.enter(self.me);
        let previous = self.loaded.replace(process.clone());
        if let Some(previous) = previous {
            previous.depart(self.me);
        }
    }

    fn leave_process(&mut self) {
        if let Some(process) = self.loaded.take() {
            memory::space::activate_kernel();
            process.depart(self.me);
        }
    }
}

/// Looks at the system call that the task waits in, if any; says whether its turn is over.
fn go_on_waiting(task: &mut UserTask) -> Option<Leave> {
    let wait = task.wait.as_mut()?;
    match wait.poll(&mut task.context) {
        Poll::Done(result) => {
            task.wait = None;
            task.context.registers.rax = result;
            None
        }
        Poll::More => Some(Leave::Yield),
        Poll::Until(until) => Some(Leave::Block(until)),
        Poll::ExitProcess(result) => {
            task.process.end(Ending::Exited(result));
            Some(Leave::Exit(result))
        }
        Poll::Fail(report) => Some(fail(task, report)),
    }
}

/// Ends the whole process because of this task.
fn fail(task: &UserTask, report: String) -> Leave {
    task.process
        .end(Ending::Failed(format!("task {}: {report}", task.number)));
    Leave::Exit(0)
}

fn unreachable_body(task: TaskId) -> ! {
    panic!("task {task:?} was chosen to run and has no body")
}

fn now() -> Ticks {
    Ticks(time::ticks())
}

/// Lets the timer come at `until`, if that is a time.
fn arm(until: Ticks) {
    if until == Ticks::NEVER {
        apic::stop_timer();
    } else {
        let span = until.0.saturating_sub(time::ticks());
        apic::arm_timer(span / time::ticks_per_us().max(1) + 1);
    }
}
