//! Programs' files: on the FAT volume, through the file service, within what was granted.
//!
//! The test writes to the disk it was booted with. `files` makes the folder it needs; what it leaves is looked at by
//! `fsck.fat` on the host, and read again by `files-again` after a reboot.

use super::ensure;
use super::guests::{BASELINE, function, wait_one};
use crate::disk::service::{self, Op};
use crate::instance::files::Files;
use crate::instance::guest::{self, Loaded};
use crate::tasks::executive::Executive;
use abi::Errno;
use abi::file::open;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use kernel::waits::Waits;
use sched::TaskSpec;

/// The folder that the test's programs get, beside which `secret` lies.
const FOLDER: &str = "/files";
/// A folder in a folder, for the program whose paths nobody checks, and what lies beside it.
const INNER: [&str; 3] = ["outer", "outer/inner", "outer/secret"];
/// Pieces of 3000 bytes in the large file.
const PIECES: u64 = 400;

fn load(folders: &[&str]) -> Result<Loaded, String> {
    let folders: Vec<String> = folders.iter().map(|folder| (*folder).to_string()).collect();
    load_with(Files::new(&folders)?)
}

fn load_with(files: Files) -> Result<Loaded, String> {
    let module = modules::find("files", 2).ok_or("there is no guest files")?;
    let (program, _) = guest::read("files", module.file)?;
    guest::load_with(program, BASELINE, Waits::default(), files)
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

/// A program that asks for `..` is refused; where that is not checked it gets at what lies beside its folder. (The FAT
/// code finds no `..` either, so without the check paths are followed by words here.)
pub(super) fn without_the_check_paths_lead_out(executive: &mut Executive) -> Result<(), String> {
    let [outer, folder, secret] = INNER;
    make(executive, Op::MakeDirectory(outer.into()))?;
    make(executive, Op::MakeDirectory(folder.into()))?;
    let flags = open::WRITE | open::CREATE;
    make(executive, Op::Open(secret.into(), flags))?;
    let given = [String::from(folder)];
    let checked = load_with(Files::new(&given)?)?;
    let refused = call(executive, &checked, "escaped", &[]);
    checked.unload();
    let unchecked = load_with(Files::new(&given)?.unchecked())?;
    let escaped = call(executive, &unchecked, "escaped", &[]);
    unchecked.unload();
    service::settle(executive);
    ensure(refused.is_err(), "the file beside the folder was reached")?;
    escaped.map_err(|why| format!("{why}: the check would prove nothing"))
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
    make(
        executive,
        Op::MakeDirectory(FOLDER.trim_matches('/').into()),
    )?;
    make(
        executive,
        Op::Open("secret".into(), open::WRITE | open::CREATE),
    )
}

/// Does what makes a file or folder, which may be there already.
fn make(executive: &mut Executive, op: Op) -> Result<(), String> {
    match service::ask(executive, op) {
        Ok(_) | Err(Errno::Exists) => Ok(()),
        Err(why) => Err(format!("files of the test: {why}")),
    }
}
