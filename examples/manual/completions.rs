//! Completions for shells: the commands and options that can follow what is typed.
//!
//! All three find the command that is being typed by its words: those before the cursor that are
//! neither options nor their values.

use std::fmt::Write;

use crate::commands::Command;

/// For bash.
pub fn bash(commands: &[Command]) -> String {
    let mut cases = String::new();
    for command in commands {
        let words: Vec<&str> = follows(command).map(|(name, _)| name).collect();
        let _ = writeln!(
            cases,
            "    '{}') candidates='{}' ;;",
            command.words(),
            words.join(" ")
        );
    }
    format!(
        r#"# bash completion for owl(1)
_owl() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} word path= skip= candidates=
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [ -n "$skip" ]; then
            skip=
            continue
        fi
        case $word in
            {values}) skip=yes ;;
            -*) ;;
            *) path="${{path:+$path }}$word" ;;
        esac
    done
    COMPREPLY=()
    case $previous in
        {values})
            compopt -o default 2>/dev/null
            return
            ;;
    esac
    case $path in
{cases}        *) compopt -o default 2>/dev/null; return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
}}
complete -F _owl owl
"#,
        values = with_values(commands).join(" | "),
    )
}

/// For zsh.
pub fn zsh(commands: &[Command]) -> String {
    let mut cases = String::new();
    for command in commands {
        let _ = writeln!(cases, "    '{}')\n      candidates=(", command.words());
        for (name, about) in follows(command) {
            let text = format!("{name}:{about}").replace('\'', "'\\''");
            let _ = writeln!(cases, "        '{text}'");
        }
        cases += "      ) ;;\n";
    }
    format!(
        r#"#compdef owl
local word skip joined
local -a candidates typed
for word in "${{(@)words[2,CURRENT-1]}}"; do
  if [[ -n $skip ]]; then
    skip=
    continue
  fi
  case $word in
    ({values}) skip=yes ;;
    (-*) ;;
    (*) typed+=("$word") ;;
  esac
done
if [[ -n $skip ]]; then
  _files
  return
fi
joined="${{(j: :)typed}}"
case $joined in
{cases}    (*) _files; return ;;
esac
_describe 'owl' candidates
"#,
        values = with_values(commands).join("|"),
    )
}

/// For fish.
pub fn fish(commands: &[Command]) -> String {
    let mut lines = String::new();
    for command in commands {
        let at = format!("-n '__owl_at \"{}\"'", command.words());
        for (name, about) in &command.commands {
            let about = quoted(about);
            let _ = writeln!(lines, "complete -c owl {at} -f -a {name} -d {about}");
        }
        for (name, about) in &command.options {
            let value = if command.takes_value(name) { " -r" } else { "" };
            let (name, about) = (name.trim_start_matches('-'), quoted(about));
            let _ = writeln!(lines, "complete -c owl {at} -l {name}{value} -d {about}");
        }
    }
    format!(
        r#"# fish completion for owl(1)
function __owl_at
    set -l path
    set -l skip
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip
            continue
        end
        switch $word
            case {values}
                set skip yes
            case '-*'
            case '*'
                set -a path $word
        end
    end
    test "$path" = "$argv[1]"
end
{lines}"#,
        values = with_values(commands).join(" "),
    )
}

/// What can follow a command: those below it, and its options.
fn follows(command: &Command) -> impl Iterator<Item = (&str, &str)> {
    let all = command.commands.iter().chain(&command.options);
    all.map(|(name, about)| (name.as_str(), about.as_str()))
}

/// Every option of any command that is followed by a value.
fn with_values(commands: &[Command]) -> Vec<&str> {
    let mut names: Vec<&str> = commands
        .iter()
        .flat_map(|command| {
            let names = command.options.iter().map(|(name, _)| name.as_str());
            names.filter(|name| command.takes_value(name))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// In single quotes, as fish reads them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
