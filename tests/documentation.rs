//! What the README says about settings is what the program has.

use owl::config::SETTINGS;

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
