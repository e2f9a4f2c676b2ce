//! The pages: rendered here, embedded styles and script, nothing from elsewhere. Every page works without its script; with it,
//! lists grow as items arrive.

mod assets;
mod attribute;
mod chart;
mod conversation;
mod frame;
mod issues;
mod logs;
mod operation;
mod overview;
mod parts;
mod search;
mod sessions;
mod span;
mod stack;
mod tools;
mod traces;
mod waterfall;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::http::{StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::Markup;

use crate::error::StoreError;
use crate::http::{App, Failure};

/// The routes of the pages and of what they load.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", get(sessions::show))
        .route("/traces", get(traces::list))
        .route("/traces/{id}", get(traces::show))
        .route("/traces/{id}/spans/{span}", get(span::show))
        .route("/tools", get(tools::list))
        .route("/search", get(search::list))
        .route("/items/{id}", get(search::item))
        .route("/issues", get(issues::list))
        .route("/issues/{id}", get(issues::show))
        .route("/logs", get(logs::list))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/theme.js", get(assets::theme))
        .route("/assets/raw.js", get(assets::raw))
        .route("/assets/live.js", get(assets::live))
        .route("/assets/keys.js", get(assets::keys))
        .route("/favicon.ico", get(assets::icon))
        .route("/assets/icon.svg", get(assets::icon))
}

/// Answers what has no route: a page for a reader, JSON for a program.
pub(crate) async fn not_found(uri: Uri) -> Response {
    let failure = Failure::NotFound("There is nothing at this address.");
    if uri.path().starts_with("/api/") { failure.into_response() } else { PageFailure(failure).into_response() }
}

/// A page, or a page that says why there is none.
type Answer = Result<Html<String>, PageFailure>;

/// A failure shown as a page.
#[derive(Debug)]
struct PageFailure(Failure);

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        let status: StatusCode = self.0.status();
        let body = frame::failure(status, &self.0.to_string());
        (status, Html(body.into_string())).into_response()
    }
}

impl From<Failure> for PageFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<StoreError> for PageFailure {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<QueryRejection> for PageFailure {
    fn from(rejection: QueryRejection) -> Self {
        Self(rejection.into())
    }
}

fn html(markup: Markup) -> Html<String> {
    Html(markup.into_string())
}
