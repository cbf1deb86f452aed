//! What differs between two texts, line by line.

/// Most pairs of lines that are compared to find the shortest difference; beyond that all of the
/// part that differs is shown.
const MOST_PAIRS: usize = 4_000_000;

/// Writes the lines of two texts to `output`: those of both after a space, those of the first only
/// after `-`, those of the second only after `+`. Of what is the same before and behind the
/// differences, a few lines.
pub fn diff(old: &str, new: &str, output: &mut String) {
    const AROUND: usize = 3;
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |(old, new): &(&&str, &&str)| old == new;
    let before = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (&old[before..], &new[before..]);
    let behind = old_rest.iter().rev().zip(new_rest.iter().rev());
    let behind = behind.take_while(same).count();
    let mut line = |sign: char, line: &str| {
        output.push(sign);
        output.push_str(line);
        output.push('\n');
    };
    for same in &old[before.saturating_sub(AROUND)..before] {
        line(' ', same);
    }
    let old_part = &old_rest[..old_rest.len() - behind];
    let new_part = &new_rest[..new_rest.len() - behind];
    between(old_part, new_part, &mut line);
    for same in old_rest[old_rest.len() - behind..].iter().take(AROUND) {
        line(' ', same);
    }
}

/// The shortest difference between two parts.
fn between(old: &[&str], new: &[&str], line: &mut impl FnMut(char, &str)) {
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        old.iter().for_each(|old| line('-', old));
        new.iter().for_each(|new| line('+', new));
        return;
    }
    // How many lines both have in common from a pair of positions on.
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            common[at * width + to] = if old[at] == new[to] {
                common[(at + 1) * width + to + 1] + 1
            } else {
                common[(at + 1) * width + to].max(common[at * width + to + 1])
            };
        }
    }
    let (mut at, mut to) = (0, 0);
    while at < old.len() || to < new.len() {
        if at < old.len() && to < new.len() && old[at] == new[to] {
            line(' ', old[at]);
            (at, to) = (at + 1, to + 1);
        } else if to == new.len()
            || at < old.len() && common[(at + 1) * width + to] >= common[at * width + to + 1]
        {
            line('-', old[at]);
            at += 1;
        } else {
            line('+', new[to]);
            to += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let mut output = String::new();
        diff(old, new, &mut output);
        output
    }

    #[test]
    fn what_differs_with_a_little_around_it() {
        assert_eq!(shown("a\nb\nc", "a\nx\nc"), " a\n-b\n+x\n c\n");
        assert_eq!(shown("a\nb\nc\nd", "b\nc\ne\nd"), "-a\n b\n c\n+e\n d\n");
        assert_eq!(shown("", "a\n"), "+a\n");
        assert_eq!(shown("a\n", ""), "-a\n");
        assert_eq!(
            shown("1\n2\n3\n4\n5", "1\n2\n3\n4\n6"),
            " 2\n 3\n 4\n-5\n+6\n"
        );
    }

    #[test]
    fn large_differences_are_shown_whole() {
        let many = |word: &str| format!("{word}\n").repeat(3000);
        let text = shown(&many("a"), &many("b"));
        assert_eq!(text.lines().count(), 6000);
        assert!(text.starts_with("-a\n") && text.ends_with("+b\n"));
    }
}
