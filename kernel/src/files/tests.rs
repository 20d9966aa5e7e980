//! Volumes made by another FAT implementation, changed by ours, and judged by it and by `fsck.fat`.

use super::cache::Cache;
use super::tree::{NodeId, Tree, set_clock};
use crate::volume::SECTOR_SIZE;
use crate::volume::tests::MemoryDisk;
use abi::Errno;
use abi::file::{Kind, open::*};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::process::Command;

/// 4300 clusters of two sectors.
const IMAGE_SECTORS: usize = 8800;
const CACHE: usize = 256 << 10;
const NEW: u32 = READ | WRITE | CREATE;

fn empty() -> Vec<u8> {
    let mut volume = Cursor::new(vec![0; IMAGE_SECTORS * SECTOR_SIZE]);
    let options = FormatVolumeOptions::new()
        .fat_type(fatfs::FatType::Fat16)
        .bytes_per_cluster(2 * SECTOR_SIZE as u32);
    fatfs::format_volume(&mut volume, options).unwrap();
    volume.into_inner()
}

fn tree() -> Tree<MemoryDisk> {
    mount(empty())
}

fn mount(bytes: Vec<u8>) -> Tree<MemoryDisk> {
    set_clock(1_700_000_000_000_000);
    Tree::mount(Cache::new(MemoryDisk::new(bytes), CACHE)).unwrap()
}

/// The disk after a synchronisation, without what only the cache knows.
fn image(tree: &mut Tree<MemoryDisk>) -> Vec<u8> {
    tree.sync().unwrap();
    tree.device().bytes.clone()
}

/// What `fsck.fat` says, empty if it is content or not installed.
fn fsck(bytes: &[u8], test: &str) -> String {
    let path = std::env::temp_dir().join(format!("files-{test}-{}.img", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("/usr/sbin/fsck.fat")
        .arg("-n")
        .arg(&path)
        .output();
    std::fs::remove_file(&path).unwrap();
    match output {
        Ok(output) if output.status.success() => String::new(),
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(_) => String::new(),
    }
}

fn check(tree: &mut Tree<MemoryDisk>, test: &str) {
    let bytes = image(tree);
    assert_eq!(fsck(&bytes, test), "", "{test}");
}

/// The file as the other implementation reads it.
fn judge(bytes: &[u8], path: &str) -> Option<Vec<u8>> {
    let disk = FileSystem::new(Cursor::new(bytes.to_vec()), FsOptions::new()).unwrap();
    let mut file = disk.root_dir().open_file(path).ok()?;
    let mut content = Vec::new();
    file.read_to_end(&mut content).unwrap();
    Some(content)
}

fn pattern(size: usize, seed: usize) -> Vec<u8> {
    (0..size)
        .map(|at| (at * 31 + at / 251 + seed) as u8)
        .collect()
}

fn put(tree: &mut Tree<MemoryDisk>, path: &str, bytes: &[u8]) {
    let id = tree.open(path, NEW).unwrap();
    assert_eq!(tree.write(id, Some(0), bytes).unwrap().0, bytes.len());
    tree.close(id).unwrap();
}

fn get(tree: &mut Tree<MemoryDisk>, path: &str) -> Vec<u8> {
    let id = tree.open(path, READ).unwrap();
    let mut bytes = vec![0; tree.node_stat(id).size as usize];
    assert_eq!(tree.read(id, 0, &mut bytes), Ok(bytes.len()));
    tree.close(id).unwrap();
    bytes
}

#[test]
fn files_read_back_here_there_and_after_a_reboot() {
    let mut tree = tree();
    tree.make_directory("data").unwrap();
    tree.make_directory("data/A longer name").unwrap();
    let files = [
        ("empty", 0),
        ("one.txt", 1),
        ("data/cluster", 1024),
        ("data/A longer name/and a file.sqlite-journal", 70_001),
    ];
    for (path, size) in files {
        put(&mut tree, path, &pattern(size, size));
    }
    let bytes = image(&mut tree);
    assert_eq!(fsck(&bytes, "back"), "");
    let mut again = mount(bytes.clone());
    for (path, size) in files {
        assert_eq!(judge(&bytes, path), Some(pattern(size, size)), "{path}");
        assert_eq!(get(&mut again, &path.to_uppercase()), pattern(size, size));
        let stat = again.stat(path).unwrap();
        assert_eq!((stat.kind, stat.size), (Kind::File, size as u64));
        assert_eq!(stat.mtime_us, 1_700_000_000_000_000, "{path}");
    }
    assert_eq!(again.stat("data").unwrap().kind, Kind::Directory);
    assert_eq!(again.stat("").unwrap().kind, Kind::Directory);
}

/// Random reads, writes, appends, truncations, on several files at once, against byte vectors.
#[test]
fn random_access_agrees_with_plain_vectors() {
    let mut tree = tree();
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % below
    };
    let names = ["a", "b.db", "A third, long one"];
    let ids: Vec<NodeId> = names.map(|name| tree.open(name, NEW).unwrap()).into();
    let mut model: BTreeMap<usize, Vec<u8>> = (0..names.len()).map(|at| (at, vec![])).collect();
    for round in 0..1500 {
        let which = next(names.len());
        let (id, file) = (ids[which], model.get_mut(&which).unwrap());
        let (at, count) = (next(150_000), next(9000));
        match next(8) {
            0 => {
                tree.set_size(id, at as u64).unwrap();
                file.resize(at, 0);
            }
            1 | 2 => {
                let bytes = pattern(count, round);
                let end = tree.write(id, None, &bytes).unwrap().1;
                file.extend(&bytes);
                assert_eq!(end, file.len() as u64);
                let size = file.len().min(200_000);
                tree.set_size(id, size as u64).unwrap();
                file.truncate(size);
            }
            3..=5 => {
                let bytes = pattern(count, round);
                assert_eq!(tree.write(id, Some(at as u64), &bytes).unwrap().0, count);
                if count > 0 {
                    file.resize(file.len().max(at + count), 0);
                    file[at..at + count].copy_from_slice(&bytes);
                }
            }
            _ => {
                let mut bytes = vec![0; count];
                let read = tree.read(id, at as u64, &mut bytes).unwrap();
                let expected = file
                    .get(at..)
                    .map_or(&[][..], |rest| &rest[..rest.len().min(count)]);
                assert_eq!(bytes[..read], *expected, "round {round}");
            }
        }
        if round % 300 == 299 {
            check(&mut tree, "random");
        }
    }
    let bytes = image(&mut tree);
    for (which, name) in names.iter().enumerate() {
        assert_eq!(judge(&bytes, name).as_ref(), model.get(&which), "{name}");
    }
}

#[test]
fn names_are_made_listed_moved_and_removed() {
    let mut tree = tree();
    tree.make_directory("dir").unwrap();
    for name in ["dir/b", "dir/a long name.txt", "dir/c"] {
        put(&mut tree, name, name.as_bytes());
    }
    assert_eq!(list(&mut tree, "dir"), ["b", "a long name.txt", "c"]);
    tree.rename("dir/b", "moved out").unwrap();
    tree.rename("dir/a long name.txt", "dir/c").unwrap();
    assert_eq!(list(&mut tree, "dir"), ["c"]);
    assert_eq!(get(&mut tree, "dir/c"), b"dir/a long name.txt");
    assert_eq!(get(&mut tree, "moved out"), b"dir/b");
    assert_eq!(tree.remove("dir"), Err(Errno::NotEmpty));
    tree.remove("dir/c").unwrap();
    tree.remove("dir").unwrap();
    assert_eq!(list(&mut tree, ""), ["moved out"]);
    tree.rename("moved out", "Moved Out").unwrap();
    assert_eq!(list(&mut tree, ""), ["Moved Out"]);
    check(&mut tree, "names");
}

#[test]
fn wrong_requests_have_the_right_error() {
    let mut tree = tree();
    put(&mut tree, "file", b"x");
    tree.make_directory("dir").unwrap();
    tree.make_directory("dir/inner").unwrap();
    let mut open = |path: &str, flags| tree.open(path, flags).map(drop);
    assert_eq!(open("none", READ), Err(Errno::NoEntry));
    assert_eq!(open("none/file", NEW), Err(Errno::NoEntry));
    assert_eq!(open("file/x", NEW), Err(Errno::NotDirectory));
    assert_eq!(open("dir", READ), Err(Errno::IsDirectory));
    assert_eq!(open("file", NEW | EXCLUSIVE), Err(Errno::Exists));
    assert_eq!(open("", NEW), Err(Errno::NoAccess));
    for name in ["a:b", "a*", "dot.", "space ", "tab\t"] {
        assert_eq!(open(name, NEW), Err(Errno::Invalid), "{name:?}");
    }
    assert_eq!(open(&"n".repeat(256), NEW), Err(Errno::Invalid));
    assert_eq!(tree.make_directory("dir"), Err(Errno::Exists));
    assert_eq!(tree.rename("dir", "dir/inner/x"), Err(Errno::Invalid));
    assert_eq!(tree.rename("file", "dir"), Err(Errno::IsDirectory));
    assert_eq!(tree.rename("dir", "file"), Err(Errno::NotDirectory));
    assert_eq!(tree.entry("dir", 0, &mut [0; 4]), Err(Errno::NameTooLong));
    assert_eq!(tree.entry("file", 0, &mut [0; 4]), Err(Errno::NotDirectory));
    check(&mut tree, "wrong");
}

#[test]
fn an_open_file_keeps_its_record_and_clusters() {
    let mut tree = tree();
    let id = tree.open("old", NEW).unwrap();
    let same = tree.open("OLD", READ | WRITE).unwrap();
    assert_eq!(id, same);
    tree.write(id, None, &pattern(5000, 1)).unwrap();
    assert_eq!(tree.stat("old").unwrap().size, 5000, "before any sync");
    put(&mut tree, "other", b"y");
    assert_eq!(tree.rename("other", "old"), Err(Errno::NoAccess));
    tree.rename("old", "a new and long name").unwrap();
    tree.write(id, None, &pattern(5000, 2)).unwrap();
    tree.close(id).unwrap();
    tree.close(same).unwrap();
    assert_eq!(tree.open_files(), 0);
    let mut expected = pattern(5000, 1);
    expected.extend(pattern(5000, 2));
    assert_eq!(get(&mut tree, "a new and long name"), expected);
    check(&mut tree, "open");
}

fn free_clusters(tree: &mut Tree<MemoryDisk>) -> u32 {
    let volume = FileSystem::new(Cursor::new(image(tree)), FsOptions::new()).unwrap();
    volume.stats().unwrap().free_clusters()
}

/// Names in the directory at `path`.
fn list(tree: &mut Tree<MemoryDisk>, path: &str) -> Vec<String> {
    let mut name = [0; 255];
    let entry = |index| match tree.entry(path, index, &mut name).unwrap() {
        0 => None,
        length => Some(String::from_utf8(name[..length].to_vec()).unwrap()),
    };
    (0..).map_while(entry).collect()
}

#[test]
fn an_open_file_that_is_removed_lives_until_it_is_closed() {
    let mut tree = tree();
    tree.make_directory("dir").unwrap();
    // Enough records that the long names reach over clusters.
    let name = |number| format!("dir/a rather long name of a file, number {number}");
    for number in 0..40 {
        put(&mut tree, &name(number), b"kept");
    }
    let open: Vec<_> = (100..120)
        .map(|number| tree.open(&name(number), NEW).unwrap())
        .collect();
    let clusters = free_clusters(&mut tree);
    for (number, &id) in (100..120).zip(&open) {
        tree.remove(&name(number)).unwrap();
        tree.write(id, None, &pattern(9000, number)).unwrap();
        assert_eq!(tree.open(&name(number), READ), Err(Errno::NoEntry));
        assert_eq!(tree.stat(&name(number)), Err(Errno::NoEntry));
        assert_eq!(tree.remove(&name(number)), Err(Errno::NoEntry));
        assert_eq!(tree.open(&name(number), NEW), Err(Errno::Exists));
    }
    assert_eq!(list(&mut tree, "dir").len(), 40);
    tree.rename("dir", "moved").unwrap();
    tree.sync().unwrap();
    check(&mut tree, "removed and open");
    let mut bytes = [0; 9000];
    for (number, &id) in (100..120).zip(&open) {
        assert_eq!(tree.read(id, 0, &mut bytes), Ok(9000));
        assert!(bytes == pattern(9000, number)[..]);
        tree.close(id).unwrap();
    }
    assert_eq!(list(&mut tree, "moved").len(), 40);
    assert_eq!(free_clusters(&mut tree), clusters);
    put(
        &mut tree,
        "moved/a rather long name of a file, number 100",
        b"new",
    );
    check(&mut tree, "removed and closed");
}

#[test]
fn a_full_volume_loses_nothing() {
    let mut tree = tree();
    let id = tree.open("big", NEW).unwrap();
    let piece = pattern(100_000, 0);
    let mut size = 0;
    let end = loop {
        match tree.write(id, None, &piece) {
            Ok((count, _)) => size += count,
            Err(error) => break error,
        }
    };
    assert_eq!(end, Errno::NoSpace);
    assert_eq!(tree.write(id, Some(1 << 30), b"x"), Err(Errno::NoSpace));
    assert_eq!(
        tree.write(id, Some(u64::from(u32::MAX)), b"x"),
        Err(Errno::TooLarge)
    );
    let other = tree.open("other", NEW).unwrap();
    assert_eq!(tree.write(other, None, b"x"), Err(Errno::NoSpace));
    assert_eq!(tree.make_directory("dir"), Err(Errno::NoSpace));
    let bytes = image(&mut tree);
    assert_eq!(fsck(&bytes, "full"), "");
    let content = judge(&bytes, "big").unwrap();
    assert_eq!(content.len(), size);
    assert!(
        content
            .chunks(100_000)
            .all(|chunk| *chunk == piece[..chunk.len()])
    );
    tree.set_size(id, 10).unwrap();
    assert_eq!(tree.write(other, None, b"x").unwrap().0, 1);
    check(&mut tree, "room");
}

/// Everything that was synchronised is there when the power goes at any later moment, whatever the cache holds then.
#[test]
fn what_was_synchronised_survives_a_power_failure() {
    let mut tree = tree();
    let id = tree.open("db", NEW).unwrap();
    tree.write(id, None, &pattern(40_000, 3)).unwrap();
    tree.sync().unwrap();
    let bytes = tree.device().bytes.clone();
    assert_eq!(fsck(&bytes, "power"), "");
    assert_eq!(judge(&bytes, "db"), Some(pattern(40_000, 3)));
    tree.write(id, Some(0), &pattern(40_000, 4)).unwrap();
    let unsynced = tree.device().bytes.clone();
    assert_eq!(
        judge(&unsynced, "db"),
        Some(pattern(40_000, 3)),
        "only sync writes"
    );
}

/// Without the sizes in the directory records, what was written is not there afterwards: what `sync` is for.
#[test]
fn without_a_synchronisation_nothing_is_there() {
    let mut tree = tree();
    let id = tree.open("db", NEW).unwrap();
    tree.write(id, None, &pattern(40_000, 3)).unwrap();
    let bytes = tree.device().bytes.clone();
    assert_eq!(judge(&bytes, "db"), None);
}

#[test]
fn a_failing_disk_gives_errors_and_no_panic() {
    for fail_at in (0..400).step_by(7) {
        let mut disk = MemoryDisk::new(empty());
        disk.fail_at = Some(fail_at);
        let Ok(mut tree) = Tree::mount(Cache::new(disk, 64 << 10)) else {
            continue;
        };
        let _ = tree.make_directory("dir");
        if let Ok(id) = tree.open("dir/file", NEW) {
            let _ = tree.write(id, None, &pattern(200_000, 0));
            let _ = tree.read(id, 100, &mut [0; 5000]);
            let _ = tree.set_size(id, 10);
            let _ = tree.close(id);
        }
        let _ = tree.rename("dir/file", "x");
        let _ = tree.remove("x");
        let _ = tree.sync();
    }
}

#[test]
fn damaged_volumes_give_errors_and_no_panic() {
    let mut tree = tree();
    tree.make_directory("dir").unwrap();
    put(&mut tree, "dir/file", &pattern(30_000, 1));
    put(&mut tree, "other", &pattern(3000, 2));
    let sound = image(&mut tree);
    let mut random = 3_u64;
    for _ in 0..150 {
        let mut bytes = sound.clone();
        for _ in 0..20 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Boot sector, tables and directories.
            let at = (random >> 33) as usize % (64 * SECTOR_SIZE);
            bytes[at] = (random >> 20) as u8;
        }
        let cache = Cache::new(MemoryDisk::new(bytes), 64 << 10);
        let Ok(mut tree) = Tree::mount(cache) else {
            continue;
        };
        for path in ["dir/file", "other", "new", "dir/new"] {
            if let Ok(id) = tree.open(path, NEW) {
                let _ = tree.read(id, 0, &mut [0; 40_000]);
                let _ = tree.write(id, Some(20_000), &pattern(20_000, 5));
                let _ = tree.close(id);
            }
        }
        for index in 0..20 {
            let _ = tree.entry("dir", index, &mut [0; 255]);
        }
        let _ = tree.rename("dir/file", &"y".to_string());
        let _ = tree.remove("other");
    }
}
