//! `cat`, `head`, `sort` and `split`, which are in `utils` and, with arguments that must be given,
//! in `samples` (reference section 10).

use serde::Serialize;
use serde_json::value::RawValue;

use super::run::{BadArgument, Output, Run};
use super::value::{array, by_code_units, given, text};
use crate::entity::Members;

/// `utils/cat`: joins lines to one text.
pub(super) fn cat(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    array(arguments, "lines")
        .and_then(|lines| joined(lines.unwrap_or_default()))
        .unwrap_or_else(Output::from)
}

/// `utils/head`: the first lines.
pub(super) fn head(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    array(arguments, "lines")
        .and_then(|lines| first(&lines.unwrap_or_default(), given(arguments, "num")))
        .unwrap_or_else(Output::from)
}

/// `utils/sort`: lines in the order of their code units.
pub(super) fn sort(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    array(arguments, "lines")
        .and_then(|lines| sorted(&lines.unwrap_or_default()))
        .unwrap_or_else(Output::from)
}

/// `utils/split`: cuts a text into lines.
pub(super) fn split(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    payload(arguments)
        .and_then(|payload| pieces(payload, given(arguments, "separator")))
        .unwrap_or_else(Output::from)
}

/// `samples/cat`
pub(super) fn sample_cat(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    lines(arguments)
        .and_then(joined)
        .unwrap_or_else(Output::from)
}

/// `samples/head`
pub(super) fn sample_head(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    lines(arguments)
        .and_then(|lines| first(&lines, given(arguments, "num")))
        .unwrap_or_else(Output::from)
}

/// `samples/sort`
pub(super) fn sample_sort(_: &Run<'_>, arguments: &Members<'_>) -> Output {
    lines(arguments)
        .and_then(|lines| sorted(&lines))
        .unwrap_or_else(Output::from)
}

fn lines<'a>(arguments: &Members<'a>) -> Result<Vec<&'a RawValue>, BadArgument> {
    array(arguments, "lines")?.ok_or_else(|| missing("lines"))
}

fn payload<'a>(arguments: &Members<'a>) -> Result<&'a RawValue, BadArgument> {
    arguments
        .get("payload")
        .filter(|payload| payload.get() != "null")
        .ok_or_else(|| missing("payload"))
}

fn missing(name: &str) -> BadArgument {
    BadArgument(format!("You must specify a {name} parameter!"))
}

fn joined(lines: Vec<&RawValue>) -> Result<Output, BadArgument> {
    #[derive(Serialize)]
    struct Joined<'a> {
        lines: Vec<&'a RawValue>,
        payload: String,
    }
    let mut payload = String::new();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            payload.push('\n');
        }
        // As JavaScript's `join`: nothing stands for nothing.
        if line.get() != "null" {
            payload.push_str(&text(line)?);
        }
    }
    Ok(Output::of(&Joined { lines, payload }))
}

fn first(lines: &[&RawValue], num: Option<&RawValue>) -> Result<Output, BadArgument> {
    #[derive(Serialize)]
    struct First<'a> {
        lines: &'a [&'a RawValue],
        num: Option<&'a RawValue>,
    }
    let one = serde_json::from_str("1").expect("a number is JSON");
    let num = num.unwrap_or(one);
    let number = text(num)?.trim().parse::<f64>().unwrap_or(0.0);
    // A negative number leaves out so many at the end, as JavaScript's `slice` does. The casts
    // stop at the ends of their ranges.
    let kept = if number < 0.0 {
        lines.len().saturating_sub(-number as usize)
    } else {
        lines.len().min(number as usize)
    };
    Ok(Output::of(&First {
        lines: &lines[..kept],
        num: Some(num),
    }))
}

fn sorted(lines: &[&RawValue]) -> Result<Output, BadArgument> {
    #[derive(Serialize)]
    struct Sorted<'a> {
        lines: Vec<&'a RawValue>,
        length: usize,
    }
    let mut keyed = Vec::with_capacity(lines.len());
    for line in lines {
        keyed.push((text(line)?, *line));
    }
    // Elements that read the same (1 and "1") stay in their order, which is that of their places
    // in the text; without the memory that a stable sort would take.
    keyed.sort_unstable_by(|(a, first), (b, second)| {
        by_code_units(a, b).then_with(|| first.get().as_ptr().cmp(&second.get().as_ptr()))
    });
    Ok(Output::of(&Sorted {
        length: keyed.len(),
        lines: keyed.into_iter().map(|(_, line)| line).collect(),
    }))
}

fn pieces(payload: &RawValue, separator: Option<&RawValue>) -> Result<Output, BadArgument> {
    #[derive(Serialize)]
    struct Pieces<'a> {
        lines: Vec<&'a str>,
        payload: &'a RawValue,
    }
    let whole = text(payload)?;
    let lines = match separator {
        Some(separator) => whole.split(&*text(separator)?).collect(),
        None => {
            let mut lines: Vec<&str> = whole.split('\n').collect();
            // Only what stands before a line feed can be half of a line's end.
            if let Some((_, ended)) = lines.split_last_mut() {
                for line in ended {
                    *line = line.strip_suffix('\r').unwrap_or(line);
                }
            }
            lines
        }
    };
    Ok(Output::of(&Pieces { lines, payload }))
}

#[cfg(test)]
mod tests {
    use super::super::run::testing::result;
    use super::*;

    #[test]
    fn cat_joins() {
        assert_eq!(
            result(cat, r#"{"lines":["a","b\t",1.50,null,true],"x":1}"#),
            r#"{"lines":["a","b\t",1.50,null,true],"payload":"a\nb\t\n1.50\n\ntrue"}"#
        );
        assert_eq!(result(cat, "{}"), r#"{"lines":[],"payload":""}"#);
        assert_eq!(
            result(cat, r#"{"lines":"x"}"#),
            r#"{"error":"Expected an argument 'lines' that is an array."}"#
        );
    }

    #[test]
    fn head_takes_the_first() {
        let of = |num: &str| result(head, &format!(r#"{{"lines":["a","b","c"],"num":{num}}}"#));
        assert_eq!(of("2"), r#"{"lines":["a","b"],"num":2}"#);
        assert_eq!(of("0"), r#"{"lines":["a"],"num":1}"#);
        assert_eq!(of("9e99"), r#"{"lines":["a","b","c"],"num":9e99}"#);
        assert_eq!(of("-1"), r#"{"lines":["a","b"],"num":-1}"#);
        assert_eq!(of("-7"), r#"{"lines":[],"num":-7}"#);
        assert_eq!(of("\"2\""), r#"{"lines":["a","b"],"num":"2"}"#);
        assert_eq!(of("\"x\""), r#"{"lines":[],"num":"x"}"#);
        assert_eq!(
            result(head, r#"{"lines":["a","b"]}"#),
            r#"{"lines":["a"],"num":1}"#
        );
        assert_eq!(result(head, "{}"), r#"{"lines":[],"num":1}"#);
    }

    #[test]
    fn sort_is_by_code_units() {
        assert_eq!(
            result(sort, r#"{"lines":["b","a","B",10,9,"1\u0030"]}"#),
            r#"{"lines":[10,"1\u0030",9,"B","a","b"],"length":6}"#
        );
        assert_eq!(result(sort, "{}"), r#"{"lines":[],"length":0}"#);
    }

    #[test]
    fn split_cuts_at_line_ends_or_separators() {
        assert_eq!(
            result(split, r#"{"payload":"a\r\nb\n\nc\r"}"#),
            r#"{"lines":["a","b","","c\r"],"payload":"a\r\nb\n\nc\r"}"#
        );
        assert_eq!(
            result(split, r#"{"payload":"a, b","separator":", "}"#),
            r#"{"lines":["a","b"],"payload":"a, b"}"#
        );
        assert_eq!(
            result(split, r#"{"payload":1203,"separator":0}"#),
            r#"{"lines":["1203"],"payload":1203}"#
        );
        assert_eq!(
            result(split, r#"{"payload":12.03,"separator":"."}"#),
            r#"{"lines":["12","03"],"payload":12.03}"#
        );
        assert_eq!(
            result(split, r#"{"payload":""}"#),
            r#"{"lines":[""],"payload":""}"#
        );
    }

    #[test]
    fn samples_need_their_argument() {
        let lines = r#"{"error":"You must specify a lines parameter!"}"#;
        assert_eq!(result(sample_cat, "{}"), lines);
        assert_eq!(result(sample_head, r#"{"num":1}"#), lines);
        assert_eq!(result(sample_sort, r#"{"lines":null}"#), lines);
        assert_eq!(
            result(split, "{}"),
            r#"{"error":"You must specify a payload parameter!"}"#
        );
        assert_eq!(
            result(sample_cat, r#"{"lines":["a"]}"#),
            r#"{"lines":["a"],"payload":"a"}"#
        );
        assert_eq!(
            result(sample_head, r#"{"lines":["a","b"],"num":1}"#),
            r#"{"lines":["a"],"num":1}"#
        );
        assert_eq!(
            result(sample_sort, r#"{"lines":["b","a"]}"#),
            r#"{"lines":["a","b"],"length":2}"#
        );
    }
}
