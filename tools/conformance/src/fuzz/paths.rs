//! Paths: whatever a program asks for, what comes out lies in a grant.
//!
//! [`Grants`](jit::instance::grants::Grants) decides by words. The judge here counts instead: it walks
//! the path with a depth and a stack of names, as a file system would, and knows nothing of how
//! `Grants` does it. Both must agree on what is refused, which grant is meant, and where in it.

use super::parcel::{Item, Kind};
use abi::Errno;
use abi::file::MAX_PATH;
use jit::instance::grants::{self, Grants, MAX_GRANTS, MAX_NAME, Target};

/// Resolves every path of a parcel with every set of grants in it; how many paths came out. Panics if
/// one leads where it must not.
pub(super) fn check(items: &[Item<'_>]) -> u32 {
    let of = |kind| items.iter().filter(move |item| item.kind == kind);
    let mut resolved = 0;
    for given in of(Kind::Grants) {
        let Some(grants) = granted(given.bytes) else {
            continue;
        };
        for path in of(Kind::Path) {
            let result = grants.resolve(path.bytes);
            resolved += u32::from(result.is_ok());
            judge(&grants, path.bytes, &result);
        }
    }
    resolved
}

/// The grants that a text of lines gives, if they go together.
fn granted(text: &[u8]) -> Option<Grants> {
    let text = String::from_utf8_lossy(text);
    let given: Vec<(&str, Option<&str>)> = text
        .lines()
        .take(MAX_GRANTS + 1)
        .map(|line| match line.split_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (line, None),
        })
        .collect();
    let grants = Grants::new(&given).ok()?;
    let names = grants.names();
    assert!(names.len() <= MAX_GRANTS, "{names:?}");
    let alone = names == [""];
    for (at, name) in names.iter().enumerate() {
        assert!(alone || is_name(name), "grant `{name}`");
        assert!(name.len() <= MAX_NAME && !names[..at].contains(name));
    }
    Some(grants)
}

/// Whether a component stays where it is looked up.
fn is_name(component: &str) -> bool {
    !matches!(component, "" | "." | "..") && !component.contains(['/', '\0'])
}

fn judge(grants: &Grants, path: &[u8], result: &Result<Target, Errno>) {
    let walked = walk(path);
    match result {
        Err(Errno::NameTooLong) => assert!(path.len() > MAX_PATH, "{path:?}"),
        Err(why) => assert!(
            path.len() <= MAX_PATH && refused(grants, walked.as_deref()),
            "{path:?} is refused by {why:?}"
        ),
        Ok(Target::Root) => {
            assert_eq!(walked.as_deref(), Some(&[][..]), "{path:?}");
            assert_ne!(grants.names(), [""], "{path:?} of a single grant");
        }
        Ok(Target::In { grant, path: inner }) => {
            assert!(
                path.len() <= MAX_PATH && inner.len() <= path.len(),
                "{path:?}"
            );
            let inside: Vec<&str> = inner.split('/').filter(|_| !inner.is_empty()).collect();
            assert!(
                inside.iter().all(|name| is_name(name)),
                "{path:?} is {inner}"
            );
            let name = grants.names()[*grant].as_str();
            let named = Some(name).filter(|name| !name.is_empty());
            let all: Vec<&str> = named.into_iter().chain(inside.iter().copied()).collect();
            assert_eq!(walked, Some(all), "{path:?} is {inner} in {name}");
            let split = grants::split(inner).map(|(_, last)| last);
            assert_eq!(split, inside.last().copied(), "{path:?}");
        }
    }
}

/// The names from the root to what `path` means; `None` if it is no path or leaves the root.
fn walk(path: &[u8]) -> Option<Vec<&str>> {
    let text = str::from_utf8(path).ok()?;
    if text.is_empty() || text.contains('\0') {
        return None;
    }
    let mut names = [""; MAX_PATH];
    let mut depth = 0usize;
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." => depth = depth.checked_sub(1)?,
            name => {
                *names.get_mut(depth)? = name;
                depth += 1;
            }
        }
    }
    Some(names[..depth].to_vec())
}

/// Whether there is a reason to refuse.
fn refused(grants: &Grants, walked: Option<&[&str]>) -> bool {
    let Some(walked) = walked else {
        return true;
    };
    let names = grants.names();
    let alone = names == [""];
    names.is_empty()
        || (!alone
            && walked
                .first()
                .is_some_and(|first| !names.iter().any(|name| name == first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Result<Target, Errno> {
        let path = path.into();
        Ok(Target::In { grant: 0, path })
    }

    #[test]
    fn the_judge_takes_what_is_right() {
        let grants = granted(b"/srv/data").unwrap();
        judge(&grants, b"a/../b/./c", &target("b/c"));
        judge(&grants, b"..", &Err(Errno::NoAccess));
        judge(&grants, &[b'a'; 300], &Err(Errno::NameTooLong));
    }

    #[test]
    #[should_panic(expected = "is ../etc")]
    fn the_judge_sees_a_path_that_leads_out() {
        let grants = granted(b"/srv/data").unwrap();
        judge(&grants, b"../etc", &target("../etc"));
    }

    #[test]
    #[should_panic(expected = "is b in d")]
    fn the_judge_sees_a_path_into_another_grant() {
        let grants = granted(b"/srv/data:d\n/srv/other:e").unwrap();
        judge(&grants, b"e/b", &target("b"));
    }

    #[test]
    #[should_panic(expected = "is refused by")]
    fn the_judge_sees_a_refusal_without_a_reason() {
        let grants = granted(b"/srv/data").unwrap();
        judge(&grants, b"a", &Err(Errno::NoAccess));
    }
}
