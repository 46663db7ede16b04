//! A tool plugin that asks whether the links of a text lead somewhere. It calls a capability, `http.head`, which its policy has to grant it.
//! `schema.yaml` describes its export.

use extism_pdk::{host_fn, plugin_fn, Error, FnResult, Json, WithReturnCode};
use serde::{Deserialize, Serialize};

const MAX_LINKS: usize = 100;

/// What a capability is called with, and what it answers: docs/abi.md, "A host call".
#[derive(Serialize)]
struct Request {
    args: [String; 1],
    kwargs: Nothing,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ok(Response),
    Error(Failure),
    Denied(Failure),
    Limit(Failure),
}

#[derive(Deserialize)]
struct Response {
    status: u16,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
}

// The capability http.head is the import extism:host/user::http_head.
#[host_fn("extism:host/user")]
extern "ExtismHost" {
    fn http_head(request: Json<Request>) -> Json<Answer>;
}

#[derive(Serialize)]
pub struct Link {
    url: String,
    ok: bool,
    status: Option<u16>,
    problem: Option<String>,
}

#[plugin_fn]
pub fn check(text: String) -> FnResult<Json<Vec<Link>>> {
    let urls = urls(&text);
    if urls.len() > MAX_LINKS {
        return Err(WithReturnCode::new(Error::msg(format!("there are more than {MAX_LINKS} links")), 1));
    }
    let links: Result<Vec<Link>, Error> = urls.into_iter().map(ask).collect();
    Ok(Json(links?))
}

fn ask(url: String) -> Result<Link, Error> {
    let request = Request { args: [url.clone()], kwargs: Nothing {} };
    // SAFETY: extism-pdk marks every host function unsafe. This one reads its block and gives another.
    let Json(answer) = unsafe { http_head(Json(request))? };
    Ok(match answer {
        Answer::Ok(Response { status }) => Link { url, ok: status < 400, status: Some(status), problem: None },
        Answer::Error(failure) | Answer::Denied(failure) | Answer::Limit(failure) => Link { url, ok: false, status: None, problem: Some(failure.message) },
    })
}

/// Gives the addresses in a text, each once.
fn urls(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices("http") {
        let rest = &text[at..];
        if !rest.starts_with("http://") && !rest.starts_with("https://") {
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c.is_control() || "<>()[]{}\"'`|\\^".contains(c)).unwrap_or(rest.len());
        let url = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']);
        if url.len() > "https://".len() && !found.iter().any(|other| other == url) {
            found.push(url.to_string());
        }
    }
    found
}
