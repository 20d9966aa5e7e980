//! Programs' files: on the FAT volume, through the file service, within what was granted.
//!
//! The test writes to the disk it was booted with. `files` makes the folder it needs; what it leaves is looked at by
//! `fsck.fat` on the host, and read again by `files-again` after a reboot.

use super::ensure;
use super::guests::{BASELINE, function, wait_one};
use crate::disk::service::{self, Op};
use crate::instance::guest::{self, Loaded};
use crate::tasks::executive::Executive;
use abi::Errno;
use abi::file::open;
use alloc::format;
use alloc::string::{String, ToString};
use kernel::waits::Waits;
use sched::TaskSpec;

/// The folder that the test's programs get, beside which `secret` lies.
const FOLDER: &str = "/files";
/// Pieces of 3000 bytes in the large file.
const PIECES: u64 = 400;

fn load(folders: &[&str]) -> Result<Loaded, String> {
    let module = modules::find("files", 2).ok_or("there is no guest files")?;
    let (program, _) = guest::read("files", module.file)?;
    let folders: alloc::vec::Vec<String> =
        folders.iter().map(|folder| (*folder).to_string()).collect();
    guest::load_with(program, BASELINE, Waits::default(), &folders)
}

fn call(
    executive: &mut Executive,
    loaded: &Loaded,
    name: &str,
    arguments: &[u64],
) -> Result<(), String> {
    loaded.start(0, function(loaded, name)?, arguments, TaskSpec::default())?;
    let step = wait_one(executive, loaded)?.map_err(|report| format!("{name}: {report}"))?;
    ensure(step == 0, &format!("{name} failed at step {step}"))
}

/// All host calls about files; what must be refused; an instance that dies with files open.
pub(super) fn files_are_written_and_read(executive: &mut Executive) -> Result<(), String> {
    prepare(executive)?;
    let nobody = load(&[])?;
    call(executive, &nobody, "nothing", &[])?;
    nobody.unload();
    let loaded = load(&[FOLDER])?;
    for (name, arguments) in [
        ("create", &[PIECES][..]),
        ("check", &[PIECES]),
        ("names", &[]),
        ("together", &[]),
        ("refused", &[]),
    ] {
        call(executive, &loaded, name, arguments)?;
    }
    loaded.unload();
    let dying = load(&[FOLDER])?;
    let died = call(executive, &dying, "left_open", &[]);
    dying.unload();
    ensure(died.is_err(), "a fault was survived")?;
    service::settle(executive);
    let loaded = load(&[FOLDER])?;
    call(executive, &loaded, "found_closed", &[])?;
    loaded.unload();
    service::settle(executive);
    Ok(())
}

/// After a reboot the files of the boot before are there.
pub(super) fn files_survive_a_reboot(executive: &mut Executive) -> Result<(), String> {
    let loaded = load(&[FOLDER])?;
    call(executive, &loaded, "check", &[PIECES])?;
    loaded.unload();
    service::settle(executive);
    Ok(())
}

/// Makes the folder and a file beside it.
fn prepare(executive: &mut Executive) -> Result<(), String> {
    let folder = FOLDER.trim_matches('/');
    match service::ask(executive, Op::MakeDirectory(folder.into())) {
        Ok(_) | Err(Errno::Exists) => {}
        Err(why) => return Err(format!("the folder: {why}")),
    }
    let flags = open::WRITE | open::CREATE;
    service::ask(executive, Op::Open("secret".into(), flags))
        .map(drop)
        .map_err(|why| format!("the file beside the folder: {why}"))
}
