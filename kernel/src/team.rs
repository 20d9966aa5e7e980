//! The tasks of one instance: their numbers, which of them can be joined, and what they returned.
//!
//! A task has a *seat*, which decides where its stack lies. A seat is taken from the start of a task until its end, or
//! until it has been joined if it can be, so that a result waits for whoever asks. A task's number is made of its seat
//! and of how often the seat had been taken before: a number that outlives its task names nobody, not the next one.
//! The first task of an instance has number 1.
//!
//! The table is pure: `T` names a parked task to whoever unparks it, and all waiting is the caller's.

use abi::Errno;
use alloc::vec::Vec;

/// How often a seat is told apart from its earlier tenants.
const TURNS: u32 = 1 << 20;

/// The table.
#[derive(Debug)]
pub struct Team<T> {
    seats: Vec<Seat<T>>,
    limit: usize,
    running: usize,
    /// Waits until nobody else runs.
    last: Option<T>,
}

#[derive(Debug)]
struct Seat<T> {
    turn: u32,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Free,
    /// Started by the kernel: nobody joins it.
    Apart,
    /// Started by another task, and who waits for its end.
    Joinable(Option<T>),
    Ended(u32),
}

/// What asking for a task's end gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It has ended with this result; its seat is free.
    Ended(u32),
    /// It runs. The caller is told when it ends, and asks again.
    Runs,
}

impl<T: Copy + PartialEq> Team<T> {
    /// A team of at most `limit` tasks.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            seats: Vec::new(),
            limit,
            running: 0,
            last: None,
        }
    }

    /// Takes the lowest free seat for a new task; `None` if there is none.
    pub fn start(&mut self, joinable: bool) -> Option<usize> {
        let free = |seat: &Seat<T>| matches!(seat.state, State::Free);
        let seat = match self.seats.iter().position(free) {
            Some(seat) => seat,
            None if self.seats.len() < self.limit => {
                self.seats.push(Seat {
                    turn: 0,
                    state: State::Free,
                });
                self.seats.len() - 1
            }
            None => return None,
        };
        self.seats[seat].state = if joinable {
            State::Joinable(None)
        } else {
            State::Apart
        };
        self.running += 1;
        Some(seat)
    }

    /// The number of the task on `seat`; above 0.
    #[must_use]
    pub fn number(&self, seat: usize) -> i32 {
        let turn = self.seats.get(seat).map_or(0, |seat| seat.turn);
        // Below 2^31: a seat is below `limit`, which is at most 2^11, and there are 2^20 turns.
        (turn as usize * self.limit + seat + 1) as i32
    }

    /// The task on `seat` has ended. Whoever comes out is to be unparked: its joiner, and who waits to be the last.
    pub fn end(&mut self, seat: usize, result: u32) -> [Option<T>; 2] {
        let Some(place) = self.seats.get_mut(seat) else {
            return [None; 2];
        };
        let joiner = match core::mem::replace(&mut place.state, State::Free) {
            State::Joinable(joiner) => {
                place.state = State::Ended(result);
                joiner
            }
            _ => {
                place.turn = (place.turn + 1) % TURNS;
                None
            }
        };
        self.running -= 1;
        [joiner, self.last.filter(|_| self.running == 1)]
    }

    /// A task that was to start does not: its seat is free again.
    pub fn cancel(&mut self, seat: usize) {
        if let Some(place) = self.seats.get_mut(seat) {
            place.state = State::Free;
            self.running -= 1;
        }
    }

    /// `asker`, which sits on `own_seat`, asks for the end of task `number`.
    ///
    /// # Errors
    /// It is the asker itself, there is no such task, it cannot be joined, or another waits for it already.
    pub fn join(&mut self, number: i32, own_seat: usize, asker: T) -> Result<Joined, Errno> {
        if number == self.number(own_seat) {
            return Err(Errno::Deadlock);
        }
        let index = number
            .checked_sub(1)
            .and_then(|at| usize::try_from(at).ok());
        let seat = index.ok_or(Errno::NoTask)? % self.limit;
        if self.number(seat) != number {
            return Err(Errno::NoTask);
        }
        let place = self.seats.get_mut(seat).ok_or(Errno::NoTask)?;
        match &mut place.state {
            State::Free | State::Apart => Err(Errno::NoTask),
            State::Joinable(Some(other)) if *other != asker => Err(Errno::Invalid),
            State::Joinable(joiner) => {
                *joiner = Some(asker);
                Ok(Joined::Runs)
            }
            State::Ended(result) => {
                let result = *result;
                place.state = State::Free;
                place.turn = (place.turn + 1) % TURNS;
                Ok(Joined::Ended(result))
            }
        }
    }

    /// Whether `asker` is the only task that runs; if not, it is told when it may be.
    pub fn is_last(&mut self, asker: T) -> bool {
        self.last = Some(asker);
        self.running <= 1
    }

    /// Tasks that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_task_is_number_one_and_seats_are_used_again() {
        let mut team = Team::<u32>::new(4);
        assert_eq!(team.start(false), Some(0));
        assert_eq!(team.number(0), 1);
        assert_eq!(team.start(true), Some(1));
        assert_eq!(team.end(1, 7), [None, None]);
        assert_eq!(team.start(true), Some(2), "the result waits on seat 1");
        assert_eq!(team.join(2, 0, 9), Ok(Joined::Ended(7)));
        assert_eq!(team.start(true), Some(1));
        assert_eq!(team.number(1), 6, "not 2 again");
        assert_eq!(team.join(2, 0, 9), Err(Errno::NoTask));
    }

    #[test]
    fn a_joiner_is_told_and_then_gets_the_result() {
        let mut team = Team::new(4);
        team.start(false);
        team.start(true);
        assert_eq!(team.join(2, 0, 9), Ok(Joined::Runs));
        assert_eq!(team.join(2, 2, 8), Err(Errno::Invalid), "one joiner a task");
        assert_eq!(
            team.join(2, 0, 9),
            Ok(Joined::Runs),
            "woken without a reason"
        );
        assert_eq!(team.end(1, 5), [Some(9), None]);
        assert_eq!(team.join(2, 0, 9), Ok(Joined::Ended(5)));
        assert_eq!(team.join(2, 0, 9), Err(Errno::NoTask));
    }

    #[test]
    fn numbers_that_name_nobody_are_refused() {
        let mut team = Team::new(4);
        team.start(false);
        team.start(false);
        assert_eq!(team.join(1, 0, 9), Err(Errno::Deadlock));
        for number in [2, 0, -1, i32::MIN, i32::MAX, 3, 5] {
            assert_eq!(team.join(number, 0, 9), Err(Errno::NoTask), "{number}");
        }
    }

    #[test]
    fn a_full_team_takes_nobody() {
        let mut team = Team::<u32>::new(2);
        assert_eq!((team.start(false), team.start(true)), (Some(0), Some(1)));
        assert_eq!(team.start(true), None);
        team.cancel(1);
        assert_eq!(team.start(true), Some(1));
        assert_eq!(team.number(1), 2, "the cancelled one never had a number");
    }

    #[test]
    fn who_waits_to_be_the_last_is_told_once_it_is() {
        let mut team = Team::new(4);
        team.start(false);
        team.start(true);
        team.start(true);
        assert!(!team.is_last(9));
        assert_eq!(team.end(1, 0), [None, None]);
        assert_eq!(team.end(2, 0), [None, Some(9)]);
        assert!(team.is_last(9));
    }
}
