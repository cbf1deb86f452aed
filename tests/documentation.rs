//! What the pages say is what the program has.

use std::collections::BTreeSet;
use std::path::Path;

use owl::config::{LIVE, SETTINGS};

#[test]
fn the_readme_lists_every_setting_as_it_is() {
    let readme = include_str!("../README.md");
    for setting in SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let row = format!("| `{}` | {default} | {} |", setting.name, setting.help);
        assert!(readme.contains(&row), "missing or different: {row}");
    }
    let listed = readme.lines().filter(|line| line.starts_with("| `OWL_"));
    let known = SETTINGS
        .iter()
        .filter(|setting| setting.name.starts_with("OWL_"));
    assert_eq!(
        listed.count(),
        known.count(),
        "a setting that is no more is listed"
    );
}

#[test]
fn the_settings_that_change_without_a_restart_are_listed() {
    let page = include_str!("../docs/operating.md");
    let rows = page
        .lines()
        .skip_while(|line| *line != "## Changing settings");
    let rows = rows.filter(|line| line.starts_with("| `OWL_"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let listed: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    assert_eq!(listed, LIVE.iter().copied().collect());
}

#[test]
fn the_architecture_names_every_source_file_and_no_other() {
    let page = include_str!("../ARCHITECTURE.md");
    let named: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.starts_with("src/"))
        .collect();
    let mut found = BTreeSet::new();
    collect(Path::new("src"), &mut found);
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    let missing: Vec<_> = found.difference(&named).collect();
    let gone: Vec<_> = named.difference(&found).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not named: {missing:?}; named but gone: {gone:?}"
    );
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("reads the folder") {
        let path = entry.expect("reads an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.insert(path.to_str().expect("plain names").to_owned());
        }
    }
}
