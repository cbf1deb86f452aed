//! Which built-in packages and actions there are.
//!
//! Whoever adds an action adds it here; the catalogue shows what is in the table, and
//! [`super::run`] runs it.

use std::time::Duration;

use super::apimgmt::Management;
use super::run::{Output, Run};
use super::{lines, samples, utils};
use crate::entity::Members;

/// A built-in package.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Whether everybody may read it, bind it, and invoke its actions.
    pub(super) publish: bool,
    pub(super) actions: &'static [Action],
}

/// A built-in action.
pub(super) struct Action {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// The arguments that it takes, for the annotation `parameters`.
    pub(super) parameters: &'static [Parameter],
    pub(super) function: Function,
}

/// An argument of an action, as the annotation `parameters` tells clients.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) description: &'static str,
}

/// What an action does.
#[derive(Clone, Copy)]
pub(super) enum Function {
    /// It depends on its arguments only, and takes time for large ones.
    Pure(Pure),
    /// The same after a pause.
    After(Duration, Pure),
    /// A web action that manages the APIs of a namespace.
    Apis(Management),
}

/// A function without I/O.
pub(super) type Pure = fn(&Run<'_>, &Members<'_>) -> Output;

impl Function {
    /// Whether it is a web action.
    pub(super) const fn is_web(self) -> bool {
        matches!(self, Self::Apis(_))
    }
}

/// All of them.
pub(super) const PACKAGES: &[Package] = &[
    Package {
        name: "utils",
        description: "Building blocks that format and assemble data",
        publish: true,
        actions: UTILS,
    },
    Package {
        name: "samples",
        description: "A suite of simple actions to help you get started with OpenWhisk",
        publish: true,
        actions: SAMPLES,
    },
    Package {
        name: "apimgmt",
        description: "Manages the APIs of a namespace",
        // Only to be reached as web actions.
        publish: false,
        actions: APIMGMT,
    },
];

const UTILS: &[Action] = &[
    pure("echo", "Returns its arguments", &[], utils::echo),
    pure(
        "cat",
        "Concatenates lines to one text",
        &[optional("lines", "Array of lines")],
        lines::cat,
    ),
    pure(
        "split",
        "Splits a text into lines",
        &[
            required("payload", "Text to split"),
            optional("separator", "What separates lines; line ends if absent"),
        ],
        lines::split,
    ),
    pure(
        "sort",
        "Sorts lines",
        &[optional("lines", "Array of lines")],
        lines::sort,
    ),
    pure(
        "head",
        "Returns the first lines",
        &[
            optional("lines", "Array of lines"),
            optional("num", "How many lines, 1 if absent"),
        ],
        lines::head,
    ),
    pure("date", "Current date and time", &[], utils::date),
    pure(
        "namespace",
        "Returns the namespace of the invoker",
        &[],
        utils::namespace,
    ),
    pure(
        "smash",
        "Puts all arguments into one field",
        &[required("$fieldName", "Name of the field")],
        utils::smash,
    ),
    pure(
        "hosturl",
        "Returns the URL of an action, a web action or a trigger",
        &[
            optional("web", "Whether the URL is that of a web action"),
            optional("trigger", "Whether the URL is that of a trigger"),
            optional("path", "Name of the action, its package before it"),
            optional("ext", "Extension of the web action"),
        ],
        utils::hosturl,
    ),
];

const SAMPLES: &[Action] = &[
    pure(
        "greeting",
        "Returns a friendly greeting",
        &[
            optional("name", "Name of the recipient"),
            optional("place", "Location of the recipient"),
        ],
        samples::greeting,
    ),
    pure(
        "helloWorld",
        "Demonstrates logging facilities",
        &[optional("payload", "The message to log")],
        samples::hello_world,
    ),
    pure(
        "wordCount",
        "Counts words in a text",
        &[required("payload", "A text")],
        samples::word_count,
    ),
    Action {
        name: "wordCountAsync",
        description: "Counts words in a text after a pause",
        parameters: &[required("payload", "A text")],
        function: Function::After(Duration::from_millis(100), samples::word_count),
    },
    pure(
        "printParams",
        "Logs its arguments in the order of their names",
        &[],
        samples::print_params,
    ),
    pure(
        "cat",
        "Concatenates lines to one text",
        &[required("lines", "Array of lines")],
        lines::sample_cat,
    ),
    pure(
        "head",
        "Returns the first lines",
        &[
            required("lines", "Array of lines"),
            optional("num", "How many lines, 1 if absent"),
        ],
        lines::sample_head,
    ),
    pure(
        "sort",
        "Sorts lines",
        &[required("lines", "Array of lines")],
        lines::sample_sort,
    ),
    pure(
        "split",
        "Splits a text into lines",
        &[
            required("payload", "Text to split"),
            optional("separator", "What separates lines; line ends if absent"),
        ],
        lines::split,
    ),
];

const APIMGMT: &[Action] = &[
    manages(
        "createApi",
        "Creates an API, or adds an operation to one",
        Management::Create,
    ),
    manages("getApi", "Returns APIs", Management::Get),
    manages(
        "deleteApi",
        "Deletes an API, or operations of one",
        Management::Delete,
    ),
];

const fn pure(
    name: &'static str,
    description: &'static str,
    parameters: &'static [Parameter],
    function: Pure,
) -> Action {
    Action {
        name,
        description,
        parameters,
        function: Function::Pure(function),
    }
}

const fn manages(name: &'static str, description: &'static str, what: Management) -> Action {
    Action {
        name,
        description,
        parameters: &[],
        function: Function::Apis(what),
    }
}

const fn required(name: &'static str, description: &'static str) -> Parameter {
    Parameter {
        name,
        required: true,
        description,
    }
}

const fn optional(name: &'static str, description: &'static str) -> Parameter {
    Parameter {
        name,
        required: false,
        description,
    }
}
