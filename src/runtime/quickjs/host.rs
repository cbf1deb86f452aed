//! The few functions that JavaScript has of its host, and the library around an action.

use std::time::Instant;

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, FromJs, Function, Object, Persistent, Result};

use super::super::output;
use super::stop::memory_was_tight;
use crate::engine::logs::Stream;

const CONSOLE: &str = include_str!("console.js");
const GLOBALS: &str = include_str!("globals.js");
const ACTION: &str = include_str!("action.js");
const ENCODERS: &str = include_str!("encoders.js");

/// Functions of the library that the proxy calls.
pub struct Hooks {
    pub load: Persistent<Function<'static>>,
    pub start: Persistent<Function<'static>>,
    pub take: Persistent<Function<'static>>,
    pub set_environment: Persistent<Function<'static>>,
    pub until_next: Persistent<Function<'static>>,
    pub run_due: Persistent<Function<'static>>,
    pub rejection: Persistent<Function<'static>>,
}

/// Puts the library into a fresh context.
pub fn install(ctx: &Ctx<'_>, memory: usize) -> Result<Hooks> {
    let host = host(ctx, memory)?;
    let text: Object<'_> = library(ctx, CONSOLE, "console.js")?.call((host.clone(),))?;
    let globals: Object<'_> =
        library(ctx, GLOBALS, "globals.js")?.call((host.clone(), text.clone()))?;
    let action: Object<'_> =
        library(ctx, ACTION, "action.js")?.call((host, text, globals.clone()))?;
    let hook = |from: &Object<'_>, name: &str| from.get::<_, Persistent<Function<'static>>>(name);
    Ok(Hooks {
        load: hook(&action, "load")?,
        start: hook(&action, "start")?,
        take: hook(&action, "take")?,
        set_environment: hook(&action, "setEnvironment")?,
        rejection: hook(&action, "rejection")?,
        until_next: hook(&globals, "untilNext")?,
        run_due: hook(&globals, "runDue")?,
    })
}

/// Evaluates a script in the global scope, sloppily as node does with CommonJS files.
pub fn evaluate<'js, T: FromJs<'js>>(
    ctx: &Ctx<'js>,
    source: impl Into<Vec<u8>>,
    name: &str,
) -> Result<T> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    ctx.eval_with_options(source, options)
}

fn library<'js>(ctx: &Ctx<'js>, source: &str, name: &str) -> Result<Function<'js>> {
    evaluate(ctx, source, &format!("owl:{name}"))
}

/// As in node: the sandbox ends, and the platform says that it did.
fn exit(code: i32) {
    std::process::exit(code);
}

fn host<'js>(ctx: &Ctx<'js>, memory: usize) -> Result<Object<'js>> {
    let host = Object::new(ctx.clone())?;
    let print = |to_stderr: bool, text: String| {
        let stream = if to_stderr {
            Stream::Stderr
        } else {
            Stream::Stdout
        };
        output::line(stream, &text);
    };
    host.set("print", Function::new(ctx.clone(), print)?)?;
    let started = Instant::now();
    let now = move || started.elapsed().as_secs_f64() * 1000.0;
    host.set("now", Function::new(ctx.clone(), now)?)?;
    host.set("exit", Function::new(ctx.clone(), exit)?)?;
    let tight = move || memory_was_tight(memory);
    host.set("memoryIsTight", Function::new(ctx.clone(), tight)?)?;
    let encoders = |ctx: Ctx<'js>| library(&ctx, ENCODERS, "encoders.js");
    host.set("encoders", Function::new(ctx.clone(), encoders)?)?;
    host.set("arch", std::env::consts::ARCH)?;
    host.set("version", concat!("owl-", env!("CARGO_PKG_VERSION")))?;
    Ok(host)
}
