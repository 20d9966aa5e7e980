//! What the gates of an instance do, and what its faults mean.
//!
//! Gate arguments are untrusted numbers. Pointers among them are used only through `syscall::copy`, once; function
//! numbers are checked by the instance.

use super::guest::{Finished, Guest};
use super::registry::registry;
use super::start::stack_start;
use super::{Instance, compiler};
use crate::console;
use crate::cores::{self, machine};
use crate::metal::time;
use crate::syscall::copy;
use crate::tasks::body::{Action, UserTask};
use crate::tasks::process::Program;
use crate::trap::context::{self, Context};
use ::abi::{Errno, HostCall};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use jit::abi::gate;
use jit::code::publish::Outcome;
use jit::instance::{Fault, FaultReport, NotCompiled};
use jit::policy::Event;
use jit::queue::Pushed;
use jit::tier::Tier;
use smp::{CoreId, CoreMask};

/// Results of tasks that are kept until someone asks.
const MAX_RESULTS: usize = 4096;

/// The process's handle on its guest.
#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<Guest>);

impl Program for Handle {
    fn syscall(&self, task: &mut UserTask) -> Action {
        let registers = &task.context.registers;
        let args = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
        let rdi = registers.rdi;
        let number = registers.rax as u32;
        let answer = match number {
            gate::FIRST_CALL => self.0.first_call(rdi as u32),
            gate::COUNT => self.0.count(rdi),
            gate::EXIT => return self.0.finish(task, rdi),
            gate::UNRESOLVED => Err(self.0.fail(Fault::NullCall, task)),
            _ => match HostCall::from_number(number) {
                Some(call) => return self.0.host_call(call, args, task),
                None => Err(self.0.fail(Fault::BadHostCall, task)),
            },
        };
        match answer {
            Ok(value) => {
                task.context.registers.rax = value;
                Action::Continue
            }
            Err(report) => Action::Fail(report),
        }
    }

    fn explain(&self, fault: context::Fault, context: &Context) -> String {
        let kind = match fault.vector {
            0 => Fault::Divide,
            6 => Fault::InvalidInstruction,
            12 | 13 => Fault::Protection,
            14 => Fault::Memory {
                address: fault.address,
                write: fault.error & 2 != 0,
                fetch: fault.error & 16 != 0,
            },
            vector => Fault::Exception(vector),
        };
        let caller = top_of_stack(context.registers.rsp);
        FaultReport::new(&self.0.instance, kind, fault.rip, caller).to_string()
    }

    fn explain_time(&self, context: &Context) -> String {
        FaultReport::new(&self.0.instance, Fault::TimeUsedUp, context.rip, None).to_string()
    }

    fn gs_base(&self, core: CoreId, task: &UserTask) -> u64 {
        let memory = self.0.instance.memory();
        let seat = task.number;
        memory.set_task(core, stack_start(seat), self.0.tls_base(seat));
        memory.gs_base(core)
    }

    fn no_room(&self) -> u64 {
        u64::from(Errno::Again.to_result() as u32)
    }
}

impl Guest {
    fn first_call(&self, func: u32) -> Result<u64, String> {
        let instance = &self.instance;
        let published = instance
            .state(func)
            .is_some_and(|state| state.load().published().is_some());
        if published {
            return instance
                .entry_of(func)
                .ok_or_else(|| String::from("no such function"));
        }
        let result = compiler::compile_here(instance, func, Tier::Baseline);
        compiled(
            instance,
            func,
            Tier::Baseline,
            &result.clone().map(|(_, outcome)| outcome),
        );
        match result {
            Ok((_, Outcome::Lost)) => instance
                .entry_of(func)
                .ok_or_else(|| String::from("no such function")),
            Ok((entry, _)) => Ok(entry),
            Err(why) => {
                let name = instance.program().module.funcs.get(func as usize);
                let name = name.map_or("?", |func| func.name.as_str());
                Err(format!("function {name} cannot be compiled: {why}"))
            }
        }
    }

    fn count(&self, which: u64) -> Result<u64, String> {
        let event = if which & 1 == 0 {
            Event::Call
        } else {
            Event::Loop
        };
        let (func, core) = ((which >> 1) as u32, cores::me().index());
        if self.instance.count(func, event, core, registry().queue()) == Pushed::Queued {
            registry().wake_workers();
        }
        Ok(0)
    }

    /// A task's first frame has returned.
    fn finish(&self, task: &UserTask, result: u64) -> Action {
        let tag = self.seats.lock()[task.number].tag;
        if let Some(tag) = tag {
            let took_ns = time::now_ns().saturating_sub(task.started_ns);
            let core = cores::me().index();
            let mut finished = self.finished.lock();
            if finished.len() < MAX_RESULTS {
                finished.push_back(Finished {
                    tag,
                    result,
                    took_ns,
                    core,
                });
            }
            drop(finished);
            machine().wake(CoreMask::only(CoreId::BSP));
        }
        self.leave(task.number, result as u32);
        Action::Exit(result)
    }

    fn fail(&self, fault: Fault, task: &UserTask) -> String {
        FaultReport::new(&self.instance, fault, task.context.rip, None).to_string()
    }
}

/// Tells people and machines how a compilation ended.
pub(crate) fn compiled(
    instance: &Instance,
    func: u32,
    tier: Tier,
    result: &Result<Outcome, NotCompiled>,
) {
    let module = &instance.program().module;
    let name = module
        .funcs
        .get(func as usize)
        .map_or("?", |func| func.name.as_str());
    let core = cores::me().index();
    let calls = instance.func_stats(func).map_or(0, |stats| stats.calls);
    let at_us = time::now_us();
    match (result, instance.published(func)) {
        (Ok(outcome), Some(version)) => {
            console::json!(
                "{{\"event\":\"compiled\",\"at_us\":{at_us},\"core\":{core},\"instance\":{},\"module\":\"{}\",\
                 \"function\":\"{name}\",\"tier\":\"{tier}\",\"outcome\":\"{outcome:?}\",\"calls\":{calls},\
                 \"compile_us\":{},\"bytes\":{}}}",
                instance.id().index,
                module.name,
                version.compile_us,
                version.code_bytes
            );
            console::log!(
                Debug,
                "core {core:>2}  {:<20} {name:<20} {tier:<8} {calls:>7} calls {:>6} us {:>5} bytes",
                module.name,
                version.compile_us,
                version.code_bytes
            );
        }
        (Err(why), _) => {
            console::json!(
                "{{\"event\":\"not compiled\",\"at_us\":{at_us},\"core\":{core},\"module\":\"{}\",\
                 \"function\":\"{name}\",\"tier\":\"{tier}\",\"why\":\"{why}\"}}",
                module.name
            );
        }
        (Ok(_), None) => {}
    }
}

/// The word on top of a program's stack, if it can be read.
fn top_of_stack(rsp: u64) -> Option<u64> {
    let mut word = [0; 8];
    copy::from_user(rsp, &mut word).ok()?;
    Some(u64::from_le_bytes(word))
}
