//! Our own files of the library, embedded: `glue/` and `include/`, and the SDK header.

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../", $folder, "/", $name)))),*]
    };
}

/// C files and their private headers, by name.
pub(crate) const SOURCES: [(&str, &str); 16] = files!("glue":
    "atomic.c",
    "clock.c",
    "complex.c",
    "directory.c",
    "errno_map.h",
    "file.c",
    "lock.c",
    "memory.c",
    "parallel.c",
    "process.c",
    "reent.c",
    "round.c",
    "start.c",
    "task.c",
    "task_state.h",
    "threads.c",
);

/// Headers that programs see, by their place below `include/`. They replace newlib's of that name.
pub(crate) const HEADERS: [(&str, &str); 9] = [
    (
        "bareflow.h",
        include_str!("../../guests/include/bareflow.h"),
    ),
    ("bf/task.h", include_str!("../include/bf/task.h")),
    ("newlib.h", include_str!("../include/newlib.h")),
    ("_newlib_version.h", "#include <newlib.h>\n"),
    ("sys/dirent.h", include_str!("../include/sys/dirent.h")),
    ("sys/ioctl.h", include_str!("../include/sys/ioctl.h")),
    ("sys/stat.h", include_str!("../include/sys/stat.h")),
    ("time.h", include_str!("../include/time.h")),
    ("threads.h", include_str!("../include/threads.h")),
];

/// Headers of newlib that ours of the same name include, under another name.
pub(crate) const EXTENDED: [(&str, &str); 2] = [
    ("sys/stat.h", "sys/_newlib_stat.h"),
    ("time.h", "_newlib_time.h"),
];

/// Headers of newlib in whose place clang's own are used: it knows more types of atomics.
pub(crate) const REMOVED: [&str; 1] = ["stdatomic.h"];
