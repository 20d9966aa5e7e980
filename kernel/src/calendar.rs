//! Dates: between the parts that clocks and FAT directories hold and microseconds since 1970 UTC.
//!
//! The Gregorian calendar, by days counted from 1 March of year 0, so that a leap day is the last of its year
//! (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). No time zones: all clocks are taken as UTC.

/// A point in time to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year, from 1970.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60.
    pub second: u8,
}

const US_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH: i64 = 719_468;

impl Date {
    /// Whether every part is in its range; that the month has the day is not asked.
    #[must_use]
    pub fn is_plausible(self) -> bool {
        (1970..=2200).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn to_us(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let month = (i64::from(self.month) + 9) % 12;
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let days = era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH;
        let of_day = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60;
        (days * SECONDS_PER_DAY + of_day + i64::from(self.second)) * US_PER_SECOND
    }

    /// The second in which `us` microseconds since 1970 fall; before 1970 it is the first.
    #[must_use]
    pub fn from_us(us: i64) -> Self {
        let seconds = us.max(0) / US_PER_SECOND;
        let (days, of_day) = (seconds / SECONDS_PER_DAY + EPOCH, seconds % SECONDS_PER_DAY);
        let (era, of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let calendar_month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: (era * 400 + year + i64::from(calendar_month <= 2)) as u16,
            month: calendar_month as u8,
            day: (of_year - (153 * month + 2) / 5 + 1) as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Date {
        Date {
            year,
            month,
            day,
            hour,
            minute,
            second,
        }
    }

    #[test]
    fn known_moments_have_their_numbers() {
        for (seconds, moment) in [
            (0, date(1970, 1, 1, 0, 0, 0)),
            (951_782_400, date(2000, 2, 29, 0, 0, 0)),
            (1_234_567_890, date(2009, 2, 13, 23, 31, 30)),
            (4_107_542_399, date(2100, 2, 28, 23, 59, 59)),
            (4_107_542_400, date(2100, 3, 1, 0, 0, 0)),
        ] {
            assert_eq!(moment.to_us(), seconds * US_PER_SECOND);
            assert_eq!(Date::from_us(seconds * US_PER_SECOND + 999_999), moment);
        }
    }

    #[test]
    fn every_day_of_two_centuries_comes_back() {
        for day in 0..84_000 {
            let us = day * SECONDS_PER_DAY * US_PER_SECOND;
            let date = Date::from_us(us);
            assert!(date.is_plausible(), "{date:?}");
            assert_eq!(date.to_us(), us);
        }
    }
}
