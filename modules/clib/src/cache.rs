//! Products that are built once: a directory named after a hash of what goes into it.
//!
//! The name decides, so nothing is ever compared with a date: when the directory is there, it is right.
//! It appears by one rename of a finished directory, so a build that was interrupted leaves nothing
//! behind that looks finished, and a lock makes two processes that want the same product build it once.

use crate::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use std::{env, io};

/// What identifies a product: a name for people, and a hash of its inputs.
#[derive(Clone, Debug)]
pub struct Key {
    name: String,
    // FNV-1a, 64 bits: of our own inputs, so nobody works on collisions.
    hash: u64,
}

/// A product while it is being built.
#[derive(Debug)]
pub struct Product {
    path: PathBuf,
    scratch: PathBuf,
}

impl Key {
    /// A key without inputs yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Adds a text, with its length.
    pub fn text(&mut self, text: &str) {
        self.bytes(&text.len().to_le_bytes());
        self.bytes(text.as_bytes());
    }

    /// Adds a file by its path, size and date: for large ones that packages bring.
    ///
    /// # Errors
    /// The file is not there.
    pub fn file(&mut self, path: &Path) -> Result<(), Error> {
        let data = fs::metadata(path).map_err(|error| failure(path, &error))?;
        let changed = data.modified().ok();
        let date = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        self.text(&path.to_string_lossy());
        self.bytes(&data.len().to_le_bytes());
        self.bytes(&date.unwrap_or_default().as_nanos().to_le_bytes());
        Ok(())
    }

    /// Adds a program that is found on the `PATH`.
    ///
    /// # Errors
    /// It is not installed.
    pub fn tool(&mut self, name: &str) -> Result<(), Error> {
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find_map(|program| fs::canonicalize(program).ok());
        let missing = || Error(format!("{name} is not installed: `apt-get install {name}`"));
        self.file(&found.ok_or_else(missing)?)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Product {
    /// The directory to fill; it will have another name in the end.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory for what is not kept.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn scratch(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.scratch.join(name);
        make(&path)?;
        Ok(path)
    }

    /// Writes a file of the product, and its folders.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        write(&self.path.join(name), text)
    }
}

/// The directory of a product, filled by `build` if it is not there.
///
/// # Errors
/// Those of `build`, or the directory cannot be made.
pub fn product(
    key: &Key,
    build: impl FnOnce(&Product) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let root = root();
    let name = format!("{}-{:016x}", key.name, key.hash);
    let place = root.join(&name);
    if place.is_dir() {
        return Ok(place);
    }
    make(&root)?;
    let lock = root.join(format!("{name}.lock"));
    let lock = File::create(&lock).map_err(|error| failure(&lock, &error))?;
    lock.lock().map_err(|error| failure(&root, &error))?;
    // Somebody else may have built it while we waited.
    if place.is_dir() {
        return Ok(place);
    }
    let product = Product {
        path: root.join(format!("{name}.new")),
        scratch: root.join(format!("{name}.tmp")),
    };
    // What an interrupted build left: unfinished, so of no use.
    remove(&product.path)?;
    remove(&product.scratch)?;
    make(&product.path)?;
    build(&product)?;
    remove(&product.scratch)?;
    fs::rename(&product.path, &place).map_err(|error| failure(&place, &error))?;
    Ok(place)
}

/// Where products are: `BAREFLOW_CACHE`, or beside what cargo builds (shared by its profiles), or else
/// the user's cache.
#[must_use]
pub fn root() -> PathBuf {
    if let Some(path) = env::var_os("BAREFLOW_CACHE") {
        return path.into();
    }
    let program = env::current_exe().unwrap_or_default();
    let target = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    if let Some(target) = target {
        return target.join("bareflow");
    }
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    cache
        .or_else(home)
        .unwrap_or_else(env::temp_dir)
        .join("bareflow")
}

/// Writes a file and makes the folders it is in.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        make(folder)?;
    }
    fs::write(path, text).map_err(|error| failure(path, &error))
}

fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| failure(folder, &error))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(folder, &error)),
        _ => Ok(()),
    }
}

/// An error about a path.
pub(crate) fn failure(path: &Path, error: &io::Error) -> Error {
    Error(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(texts: &[&str]) -> u64 {
        let mut key = Key::new("test");
        for text in texts {
            key.text(text);
        }
        key.hash
    }

    #[test]
    fn texts_are_told_apart_by_content_and_by_where_one_ends() {
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["ab"]));
        assert_ne!(key(&["a", "b"]), key(&["b", "a"]));
    }

    #[test]
    fn a_tool_that_is_missing_is_named() {
        let error = Key::new("test").tool("no-such-tool").unwrap_err();
        assert!(error.0.contains("no-such-tool"), "{error}");
    }

    #[test]
    fn a_product_is_built_once_and_a_failed_one_is_not_there() {
        let mut key = Key::new("cache-test");
        key.bytes(&std::process::id().to_le_bytes());
        let failed = product(&key, |product| {
            product.write("half", "")?;
            Err(Error("no".to_owned()))
        });
        assert_eq!(failed, Err(Error("no".to_owned())));
        let place = product(&key, |product| {
            assert!(!product.path().join("half").exists());
            product.write("deep/file", "text")
        });
        let place = place.unwrap();
        assert_eq!(fs::read_to_string(place.join("deep/file")).unwrap(), "text");
        let again = product(&key, |_| panic!("it is there"));
        assert_eq!(again.unwrap(), place);
        fs::remove_dir_all(place).unwrap();
    }
}
