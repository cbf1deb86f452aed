//! The commands, read from their own help.

/// The column at which what is said about an option or a command begins.
const COLUMN: usize = 20;

/// One command, with what its `--help` says.
pub struct Command {
    /// Its words after `owl`; none for `owl` itself.
    pub path: Vec<String>,
    /// How it is called.
    pub usage: String,
    /// What it does.
    pub about: String,
    /// Arguments without a name, and what they are.
    pub arguments: Vec<(String, String)>,
    /// Options, and what they are.
    pub options: Vec<(String, String)>,
    /// Commands below it.
    pub commands: Vec<(String, String)>,
}

impl Command {
    /// Whether an option is followed by a value.
    pub fn takes_value(&self, option: &str) -> bool {
        self.usage.contains(&format!("{option} <"))
    }

    /// Its words after `owl`, as they are typed.
    pub fn words(&self) -> String {
        self.path.join(" ")
    }
}

/// `owl` itself, and every command, each followed by those below it.
pub fn all() -> Vec<Command> {
    let mut found = Vec::new();
    collect(Vec::new(), &mut found);
    found
}

fn collect(path: Vec<String>, found: &mut Vec<Command>) {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let help = owl::cli::help(&words).expect("a command that is listed has help");
    let command = read(path.clone(), &help);
    let below: Vec<String> = command
        .commands
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    found.push(command);
    for name in below {
        collect([&path[..], &[name]].concat(), found);
    }
}

fn read(path: Vec<String>, help: &str) -> Command {
    let mut command = Command {
        path,
        usage: String::new(),
        about: String::new(),
        arguments: Vec::new(),
        options: Vec::new(),
        commands: Vec::new(),
    };
    let mut section = "";
    for line in help.lines().filter(|line| !line.is_empty()) {
        if let Some(usage) = line.strip_prefix("Usage: ") {
            command.usage = usage.to_owned();
        } else if let Some(title) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            section = title;
        } else {
            let list = match section {
                "" => {
                    continue_with(&mut command.about, line);
                    continue;
                }
                "Positional Arguments" => &mut command.arguments,
                "Options" => &mut command.options,
                "Commands" => &mut command.commands,
                // Examples, notes and exit codes: none has any yet.
                other => panic!("the help of {:?} has a section {other}", command.path),
            };
            add(list, line);
        }
    }
    // What every command has.
    command
        .options
        .retain(|(name, _)| !name.starts_with("--help"));
    command
}

/// Adds a line of a list: a new entry, or more of the last one.
fn add(list: &mut Vec<(String, String)>, line: &str) {
    if line.starts_with(&" ".repeat(COLUMN)) {
        let (_, about) = list.last_mut().expect("goes on with something");
        continue_with(about, line);
        return;
    }
    let entry = match line.split_at_checked(COLUMN) {
        Some((name, about)) if name.ends_with(' ') => (name, about),
        _ => (line, ""),
    };
    list.push((entry.0.trim().to_owned(), entry.1.trim().to_owned()));
}

fn continue_with(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line.trim());
}
