mod arguments;
mod auth;
mod cors;
mod extension;
mod http;
mod media;
mod response;
