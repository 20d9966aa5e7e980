//! How many tests passed, read from what a command printed.

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that did what they should.
    pub(crate) passed: usize,
    /// Tests that did not, and commands that failed without naming a test.
    pub(crate) failed: usize,
}

impl Tally {
    /// Adds another tally to this one.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// The tally of a command that ended well or badly, from what it counted itself.
    ///
    /// A command that ended badly has at least one failed test, and one that ended well without
    /// any test at all has failed too: a filter or a path is wrong.
    fn with_end(self, success: bool) -> Self {
        let must_fail = !success || self.passed == 0;
        Self {
            passed: self.passed,
            failed: self.failed.max(usize::from(must_fail)),
        }
    }
}

/// For commands that are one test: success or not is in the exit status alone.
pub(crate) fn one(_output: &str, success: bool) -> Tally {
    Tally {
        passed: usize::from(success),
        failed: usize::from(!success),
    }
}

/// Sums the lines `test result: ok. 3 passed; 0 failed; …` of `cargo test`.
pub(crate) fn cargo_tests(output: &str, success: bool) -> Tally {
    let mut tally = Tally::default();
    for line in output
        .lines()
        .filter(|line| line.starts_with("test result: "))
    {
        let number_before = |word: &str| {
            let before = line.split_once(word)?.0;
            before.rsplit(' ').next()?.parse::<usize>().ok()
        };
        tally.passed += number_before(" passed").unwrap_or(0);
        tally.failed += number_before(" failed").unwrap_or(0);
    }
    tally.with_end(success)
}

/// Counts the lines `ok NAME` and `not ok NAME: reason` that the kernel prints.
pub(crate) fn kernel_tests(output: &str, success: bool) -> Tally {
    let mut tally = Tally::default();
    for line in output.lines().map(str::trim) {
        tally.passed += usize::from(line.starts_with("ok "));
        tally.failed += usize::from(line.starts_with("not ok "));
    }
    tally.with_end(success)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn results_of_cargo_are_summed() {
        let output = "running 5 tests\n\
            test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
            test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured\n\
            a line that says 7 passed; but is not a result\n";
        assert_eq!(cargo_tests(output, false), tally(17, 3));
        assert_eq!(cargo_tests("error: could not compile", false), tally(0, 1));
    }

    #[test]
    fn lines_of_the_kernel_are_counted_whatever_ends_them() {
        let output = "booting\r\nok ipi\r\nnot ok pages: rule R1\r\n ok spaced\nokay\n";
        assert_eq!(kernel_tests(output, false), tally(2, 1));
    }

    #[test]
    fn a_bad_end_is_a_failed_test_even_if_none_was_named() {
        assert_eq!(tally(5, 0).with_end(false), tally(5, 1));
        assert_eq!(tally(5, 2).with_end(false), tally(5, 2));
        assert_eq!(tally(5, 0).with_end(true), tally(5, 0));
        assert_eq!((one("", true), one("", false)), (tally(1, 0), tally(0, 1)));
    }

    #[test]
    fn no_test_at_all_is_a_failure() {
        assert_eq!(tally(0, 0).with_end(true), tally(0, 1));
    }
}
