//! The hours of the day in which a key is valid.

use core::fmt;

use crate::time::UnixTime;

const DAY: u64 = 24 * 60;

/// From one minute of the day until another, in UTC; over midnight if the second is
/// the earlier one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hours {
    from: u64,
    until: u64,
}

// === impl Hours ===

impl Hours {
    /// Reads `HH:MM-HH:MM`. Not as the same time twice: that could be none or all.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let hours = Self { from: minute(from)?, until: minute(until)? };
        (hours.from != hours.until).then_some(hours)
    }

    pub(crate) fn include(self, now: UnixTime) -> bool {
        let now = (now.as_secs() / 60) % DAY;
        match self.from < self.until {
            true => (self.from..self.until).contains(&now),
            false => now >= self.from || now < self.until,
        }
    }
}

fn minute(text: &str) -> Option<u64> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str, below: u64| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|number| digits && *number < below)
    };
    two(hour, 24)?.checked_mul(60)?.checked_add(two(minute, 60)?)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    #[rustfmt::skip]
    fn hours_are_within_a_day_or_over_midnight() {
        for (hours, time, expected) in [
            ("06:00-20:00", "06:00", true),
            ("06:00-20:00", "05:59", false),
            ("06:00-20:00", "19:59", true),
            ("06:00-20:00", "20:00", false),
            ("22:30-05:15", "22:29", false),
            ("22:30-05:15", "22:30", true),
            ("22:30-05:15", "00:00", true),
            ("22:30-05:15", "05:14", true),
            ("22:30-05:15", "05:15", false),
        ] {
            let day = 20_000 * 24 * 3600;
            let now = UnixTime::from_secs(day + minute(time).unwrap() * 60 + 59);
            let hours = Hours::parse(hours).unwrap();
            assert_eq!(hours.include(now), expected, "{hours} {time}");
        }
    }

    #[test]
    fn hours_are_written_as_they_are_read() {
        assert_eq!(Hours::parse("06:05-20:59").unwrap().to_string(), "06:05-20:59");
        for text in [
            "",
            "6:00-20:00",
            "06:00",
            "24:00-01:00",
            "06:60-07:00",
            "06:00-06:00",
            "+6:00-07:00",
        ] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }
}
