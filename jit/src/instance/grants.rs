//! Which directories a program sees, and what its paths mean there.
//!
//! A program sees nothing but the directories that were granted to it, each under a name. To the
//! program there is one tree: its root holds the grants by name. A single grant without a name is the
//! root itself. There is one working directory, the root, so `/a/b`, `a/b` and `./a//b` are the same.
//!
//! Host and kernel share these rules; what they do with the path that comes out is their own. Rules
//! are of words only, before any file system is asked:
//!
//! * `.` and empty components mean nothing; `..` takes the last component away, and above the root
//!   there is nothing: that is refused, not ignored, so that a mistake is seen.
//! * A path that comes out names its grant and components that are neither empty, `.` nor `..`. So no
//!   path leads out of a grant unless the file system itself has a way (symbolic links: the host
//!   resolves beneath the directory only).

use ::abi::{Errno, file};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Most directories of a program.
pub const MAX_GRANTS: usize = 16;
/// Most bytes of a grant's name.
pub const MAX_NAME: usize = 64;

/// The names under which a program sees its directories.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grants(Vec<String>);

/// What a path means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The tree's root, when that is no directory: it holds the grants' names.
    Root,
    /// Something in a grant: `path` has no leading slash and is empty for the directory itself.
    In {
        /// Which grant.
        grant: usize,
        /// Components, with a slash between them.
        path: String,
    },
}

/// Why directories cannot be granted together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GrantError {
    /// More than [`MAX_GRANTS`].
    TooMany,
    /// Not a name: empty, with a slash or a NUL, `.`, `..`, or too long.
    Name(String),
    /// Two of this name.
    Twice(String),
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "more than {MAX_GRANTS} directories"),
            Self::Name(name) => write!(f, "`{name}` cannot be the name of a directory"),
            Self::Twice(name) => write!(f, "two directories are called `{name}`"),
        }
    }
}

impl Grants {
    /// The names for directories given as (path, name): a name that is not given is the path's last
    /// component, or empty if the directory is the only one.
    ///
    /// # Errors
    /// A name is wrong or there twice, or there are too many.
    pub fn new(given: &[(&str, Option<&str>)]) -> Result<Self, GrantError> {
        if given.len() > MAX_GRANTS {
            return Err(GrantError::TooMany);
        }
        if let [(_, None)] = given {
            return Ok(Self([String::new()].into()));
        }
        let mut names: Vec<String> = Vec::new();
        for (path, name) in given {
            let last = || path.trim_end_matches('/').rsplit('/').next();
            let name = name.or_else(last).unwrap_or_default();
            let wrong = name.is_empty() || name == "." || name == "..";
            if wrong || name.len() > MAX_NAME || name.contains(['/', '\0']) {
                return Err(GrantError::Name(name.to_owned()));
            }
            if names.iter().any(|other| other == name) {
                return Err(GrantError::Twice(name.to_owned()));
            }
            names.push(name.to_owned());
        }
        Ok(Self(names))
    }

    /// The names, by number of the grant.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// What `path`, as a program gave it, means.
    ///
    /// # Errors
    /// [`Errno::NoAccess`] without grants and above the root, [`Errno::NoEntry`] for an empty path and
    /// an unknown grant, [`Errno::NameTooLong`], [`Errno::Invalid`] for bytes that are no text.
    pub fn resolve(&self, path: &[u8]) -> Result<Target, Errno> {
        if path.len() > file::MAX_PATH {
            return Err(Errno::NameTooLong);
        }
        let path = core::str::from_utf8(path).map_err(|_| Errno::Invalid)?;
        if path.contains('\0') {
            return Err(Errno::Invalid);
        }
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        let mut components = Vec::new();
        for component in path.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    components.pop().ok_or(Errno::NoAccess)?;
                }
                name => components.push(name),
            }
        }
        if self.0.is_empty() {
            return Err(Errno::NoAccess);
        }
        if self.0[0].is_empty() {
            let path = components.join("/");
            return Ok(Target::In { grant: 0, path });
        }
        let Some((name, rest)) = components.split_first() else {
            return Ok(Target::Root);
        };
        let grant = self.0.iter().position(|grant| grant == name);
        let grant = grant.ok_or(Errno::NoEntry)?;
        let path = rest.join("/");
        Ok(Target::In { grant, path })
    }
}

/// A path within a grant as the directory that holds it and its last component; `None` for the
/// grant's directory itself.
#[must_use]
pub fn split(path: &str) -> Option<(&str, &str)> {
    if path.is_empty() {
        return None;
    }
    Some(path.rsplit_once('/').unwrap_or(("", path)))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn inside(grant: usize, path: &str) -> Result<Target, Errno> {
        let path = path.into();
        Ok(Target::In { grant, path })
    }

    #[test]
    fn a_single_grant_is_the_root() {
        let grants = Grants::new(&[("/srv/data", None)]).unwrap();
        for path in ["a/b", "/a/b", "./a//b/", "/x/../a/b", "a/./b"] {
            assert_eq!(grants.resolve(path.as_bytes()), inside(0, "a/b"), "{path}");
        }
        for path in ["/", ".", "a/.."] {
            assert_eq!(grants.resolve(path.as_bytes()), inside(0, ""), "{path}");
        }
    }

    #[test]
    fn nothing_lies_above_the_root() {
        let one = Grants::new(&[("/d", None)]).unwrap();
        let two = Grants::new(&[("/d", Some("d")), ("/e", Some("e"))]).unwrap();
        for path in ["..", "/..", "a/../..", "/../etc/passwd", "d/../../etc"] {
            let path = path.as_bytes();
            assert_eq!(one.resolve(path), Err(Errno::NoAccess));
            assert_eq!(two.resolve(path), Err(Errno::NoAccess));
        }
    }

    #[test]
    fn the_first_component_names_the_grant() {
        let grants = Grants::new(&[("/srv/in/", None), ("out", Some("results"))]).unwrap();
        assert_eq!(grants.names(), ["in", "results"]);
        assert_eq!(grants.resolve(b"/in/a"), inside(0, "a"));
        assert_eq!(grants.resolve(b"in/../results/b/c"), inside(1, "b/c"));
        assert_eq!(grants.resolve(b"results"), inside(1, ""));
        assert_eq!(grants.resolve(b"/"), Ok(Target::Root));
        assert_eq!(grants.resolve(b"other/a"), Err(Errno::NoEntry));
    }

    #[test]
    fn paths_that_are_no_paths_are_refused() {
        let grants = Grants::new(&[("/d", None)]).unwrap();
        assert_eq!(grants.resolve(b""), Err(Errno::NoEntry));
        assert_eq!(grants.resolve(b"a\0b"), Err(Errno::Invalid));
        assert_eq!(grants.resolve(b"\xff"), Err(Errno::Invalid));
        assert_eq!(grants.resolve(&[b'a'; 256]), Err(Errno::NameTooLong));
        assert!(grants.resolve(&[b'a'; 255]).is_ok());
        assert_eq!(Grants::default().resolve(b"a"), Err(Errno::NoAccess));
    }

    #[test]
    fn names_must_tell_grants_apart() {
        let twice = Grants::new(&[("/a/x", None), ("/b/x", None)]);
        assert_eq!(twice, Err(GrantError::Twice("x".into())));
        for name in ["", ".", "..", "a/b"] {
            let wrong = Grants::new(&[("/a", Some(name))]);
            assert_eq!(wrong, Err(GrantError::Name(name.into())));
        }
        assert_eq!(
            Grants::new(&[("/", None), ("/a", None)]),
            Err(GrantError::Name("".into()))
        );
        assert_eq!(
            Grants::new(&[("/a", Some("a")); 17]),
            Err(GrantError::TooMany)
        );
    }

    #[test]
    fn a_path_splits_into_directory_and_name() {
        assert_eq!(split("a/b/c"), Some(("a/b", "c")));
        assert_eq!(split("a"), Some(("", "a")));
        assert_eq!(split(""), None);
    }
}
