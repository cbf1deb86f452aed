//! Times, sizes and names as people read them, in no more room than there is.

use std::fmt;

/// Milliseconds as people say them, in seven characters at most.
pub struct Lasting(pub u64);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        let text = match seconds {
            0..10 => format!("{}.{} s", seconds, self.0 % 1_000 / 100),
            10..120 => format!("{seconds} s"),
            120..7_200 => format!("{} min", seconds / 60),
            7_200..172_800 => format!("{} h", seconds / 3_600),
            _ => format!("{} d", seconds / 86_400),
        };
        f.pad(&text)
    }
}

/// A text without what a terminal would take for more than a character, and no longer than `most`
/// characters: what is too long loses its beginning, since names differ at their ends.
pub fn fit(text: &str, most: usize) -> String {
    let plain: Vec<char> = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if plain.len() <= most {
        return plain.into_iter().collect();
    }
    let kept = &plain[plain.len() - most.saturating_sub(2)..];
    let kept: String = kept.iter().collect();
    format!("..{kept}")
}

/// `1 thing`, `2 things`.
pub fn count(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (milliseconds, text) in [
            (0, "0.0 s"),
            (1_290, "1.2 s"),
            (10_000, "10 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(Lasting(milliseconds).to_string(), text);
        }
        assert_eq!(format!("{:>7}|", Lasting(5)), "  0.0 s|");
    }

    #[test]
    fn names_keep_their_ends_and_bring_no_commands() {
        assert_eq!(fit("guest/a", 7), "guest/a");
        assert_eq!(fit("guest/abc", 7), "..t/abc");
        assert_eq!(fit("a\x1b[2Jb", 10), "a?[2Jb");
        assert_eq!(fit("äöü", 3), "äöü");
    }

    #[test]
    fn counted_things() {
        assert_eq!(
            (count(1, "layer"), count(0, "layer")),
            ("1 layer".into(), "0 layers".into())
        );
    }
}
