//! Ways out of a granted directory, with the system's check and without it.
//!
//! `tests/calls.rs` tries them as a program; here the check can be taken away, and the same paths then lead out. So
//! it is this check that holds, and not luck with the paths.

use super::*;
use std::os::unix::fs::symlink;

/// Names in the directory that lead to the file `secret` beside it.
const WAYS_OUT: [&[u8]; 4] = [
    b"relative",
    b"absolute",
    b"up/secret",
    b"inner/up/up/secret",
];

/// A directory with [`WAYS_OUT`], granted; removed at the end.
struct Scene {
    root: PathBuf,
    files: Files,
}

impl Scene {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("bareflow-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let granted = root.join("granted");
        fs::create_dir_all(granted.join("inner")).unwrap();
        fs::write(root.join("secret"), "secret").unwrap();
        symlink("../secret", granted.join("relative")).unwrap();
        symlink(root.join("secret"), granted.join("absolute")).unwrap();
        symlink("..", granted.join("up")).unwrap();
        symlink("..", granted.join("inner/up")).unwrap();
        let directory = Directory {
            path: granted,
            name: None,
        };
        let files = Files::new(&[directory]).unwrap();
        Self { root, files }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn links_out_of_a_grant_are_refused() {
    let scene = Scene::new("beneath");
    for path in WAYS_OUT {
        assert_eq!(scene.files.open(path, open::READ), Err(Errno::NoAccess));
        assert_eq!(
            scene.files.stat(path).map(|stat| stat.size),
            Err(Errno::NoAccess)
        );
    }
    assert_eq!(scene.files.remove(b"up/secret"), Err(Errno::NoAccess));
    assert_eq!(scene.files.make_directory(b"up/made"), Err(Errno::NoAccess));
    assert!(scene.root.join("secret").exists() && !scene.root.join("made").exists());
}

#[test]
fn without_the_check_links_lead_out_of_a_grant() {
    let mut scene = Scene::new("anywhere");
    scene.files.resolve = 0;
    for path in WAYS_OUT {
        scene.files.open(path, open::READ).unwrap();
        assert_eq!(scene.files.stat(path).unwrap().size, 6);
    }
    scene.files.make_directory(b"up/made").unwrap();
    scene.files.remove(b"up/secret").unwrap();
    assert!(!scene.root.join("secret").exists() && scene.root.join("made").exists());
}

/// The words of a path are the first check and the system is the second: it does not rely on the first.
#[test]
fn the_system_refuses_dots_that_got_past_the_words() {
    let mut scene = Scene::new("dots");
    let open = |files: &Files| files.beneath(0, "../secret", libc::O_RDONLY).map(drop);
    assert_eq!(open(&scene.files), Err(Errno::NoAccess));
    scene.files.resolve = 0;
    assert_eq!(open(&scene.files), Ok(()));
}
