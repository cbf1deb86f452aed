//! The action's text, made ready for evaluation. No engine in here.

/// Whether a `main` names a function: identifiers joined by dots. It becomes part of the code.
pub fn is_entry_point(main: &str) -> bool {
    main.split('.').all(|part| {
        let mut letters = part.chars();
        letters
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
            && letters.all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$')
    })
}

/// The code as a CommonJS function that gives the entry point if it is a variable of the file.
///
/// The opening stays on the first line, so that line numbers in stacks are those of the source.
pub fn wrap(code: &str, main: &str) -> String {
    let first = main.split('.').next().unwrap_or(main);
    // A shebang line is a comment only at the very start of a script.
    let comment = if code.starts_with("#!") { "//" } else { "" };
    format!(
        "(function (exports, require, module) {{{comment}{code}\n\
         ;return typeof {first} === 'undefined' ? undefined : {main};\n}})"
    )
}

/// What to add to a syntax error, where its text would leave the reader puzzled.
pub fn hint(code: &str, head: &str) -> Option<&'static str> {
    let is_module = code.lines().map(str::trim_start).any(|line| {
        ["export ", "export{", "import ", "import{"]
            .iter()
            .any(|start| line.starts_with(start))
    });
    (is_module && head.starts_with("SyntaxError")).then_some(
        "this kind takes scripts, not ES modules: name a function main, or set exports.main",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_points_are_dotted_identifiers() {
        for good in ["main", "a.b", "_x$", "größe", "a1.b2.c3"] {
            assert!(is_entry_point(good), "{good}");
        }
        for bad in ["", "a..b", ".a", "1a", "a b", "a;b", "a(", "a\nb", "main}"] {
            assert!(!is_entry_point(bad), "{bad}");
        }
    }

    #[test]
    fn wrapping_keeps_line_numbers_and_comments_out_of_its_way() {
        let wrapped = wrap("let a = 1 // last", "a.b");
        assert!(wrapped.starts_with("(function (exports, require, module) {let a = 1 // last\n"));
        assert!(wrapped.contains("typeof a === 'undefined' ? undefined : a.b;"));
        assert!(wrap("#!/usr/bin/env node\nx", "x").contains("{//#!/usr/bin"));
    }

    #[test]
    fn modules_get_a_hint() {
        assert!(hint("// x\n  export function main() {}", "SyntaxError: export").is_some());
        assert!(hint("export_all()", "SyntaxError: x").is_none());
        assert!(hint("import x from 'y'", "TypeError: x").is_none());
    }
}
