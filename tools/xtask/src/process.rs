//! Child processes with an end: a time limit, and all output in one file.
//!
//! A hanging test must not hang the whole run, so every wait here is bounded. When the limit is
//! reached the child is killed together with its descendants (`cargo` starts compilers, compilers
//! start linkers). They stay in our process group, so that Ctrl-C ends everything as well.

use crate::Failure;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed because its time was up.
    TimedOut(Duration),
}

impl End {
    /// Whether it ended by itself with status 0.
    pub(crate) fn success(self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => status.fmt(f),
            Self::TimedOut(limit) => write!(f, "killed after {} s", limit.as_secs()),
        }
    }
}

/// Runs a command without input; what it prints, to both streams, goes into the file `log`.
#[cfg(feature = "guests")]
pub(crate) fn run_logged(
    command: &mut Command,
    log: &std::path::Path,
    limit: Duration,
) -> Result<(End, String), Failure> {
    let file = std::fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let end = run(command, Some(limit))?;
    let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    Ok((end, text))
}

/// Runs a command, its streams as the caller set them, for at most `limit`.
pub(crate) fn run(command: &mut Command, limit: Option<Duration>) -> Result<End, Failure> {
    let mut child = command.spawn().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        format!("cannot run {program}: {error} (`make setup` installs what is needed)")
    })?;
    let Some(limit) = limit else {
        return Ok(End::Exited(child.wait()?));
    };
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exited(status));
        }
        if Instant::now() >= deadline {
            kill_with_descendants(&mut child);
            child.wait()?;
            return Ok(End::TimedOut(limit));
        }
        std::thread::sleep(POLL);
    }
}

/// Kills a child, its children, and so on. Errors mean that a process is gone already.
fn kill_with_descendants(child: &mut Child) {
    let mut pids = vec![child.id()];
    let mut next = 0;
    while let Some(&parent) = pids.get(next) {
        pids.extend(children_of(parent));
        next += 1;
    }
    let _ = child.kill();
    let others = pids[1..].iter().map(u32::to_string);
    let _ = Command::new("kill")
        .arg("-KILL")
        .args(others)
        .stderr(Stdio::null())
        .status();
}

/// Process numbers of the direct children of a process, from `/proc`.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

/// The parent of a process: second field after the name, which ends at the last parenthesis.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn log(name: &str) -> std::path::PathBuf {
        let name = format!("xtask-{name}-{}.log", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn output_of_both_streams_and_the_status_are_kept() {
        let log = log("streams");
        let mut command = shell("echo out; echo err >&2; exit 3");
        let (end, text) = run_logged(&mut command, &log, Duration::from_secs(60)).unwrap();
        std::fs::remove_file(&log).unwrap();
        assert_eq!(text, "out\nerr\n");
        assert!(!end.success());
        assert_eq!(end.to_string(), "exit status: 3");
    }

    #[test]
    fn a_hanging_child_is_killed_with_its_children() {
        let log = log("hang");
        let mut command = shell("sleep 1000 & echo $!; wait");
        let (end, text) = run_logged(&mut command, &log, Duration::from_millis(300)).unwrap();
        std::fs::remove_file(&log).unwrap();
        assert_eq!(end, End::TimedOut(Duration::from_millis(300)));
        let grandchild: u32 = text.trim().parse().unwrap();
        let gone = |pid| match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !gone(grandchild) {
            assert!(
                Instant::now() < deadline,
                "process {grandchild} is still there"
            );
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program"), None).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
