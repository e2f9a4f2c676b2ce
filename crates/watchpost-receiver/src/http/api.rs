//! The JSON API's handlers; the crate's documentation describes it.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use watchpost_sentry::wire::{Timestamp, TraceId};

use super::{App, Failure};
use crate::store::{
    Export, IssueDetail, IssueList, LogList, LogQuery, Overview, Page, Range, SearchList, SessionDetail, SessionList,
    Stats, Tool, ToolOrder, TraceDetail, TraceList,
};

/// The levels a filter may name.
const LEVELS: [&str; 7] = ["trace", "debug", "info", "warn", "warning", "error", "fatal"];

/// `limit` and `before` (for lists that begin with the latest) or `after` (for a session's events).
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PageQuery {
    limit: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

/// The filters of logs.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct LogFilter {
    pub(crate) query: Option<String>,
    pub(crate) level: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

/// What a search asks for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct SearchQuery {
    pub(crate) query: Option<String>,
    limit: Option<String>,
    before: Option<String>,
}

/// The range of an overview.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct RangeQuery {
    range: Option<String>,
}

/// The order of the tools.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct OrderQuery {
    order: Option<String>,
}

impl SearchQuery {
    pub(crate) fn page(&self) -> Result<Page, Failure> {
        page(self.limit.as_deref(), self.before.as_deref())
    }
}

impl RangeQuery {
    pub(crate) fn range(&self) -> Result<Range, Failure> {
        let Some(name) = &self.range else { return Ok(Range::default()) };
        Range::named(name)
            .ok_or_else(|| Failure::BadRequest(format!("`range` is one of {}", Range::ALL.map(Range::name).join(", "))))
    }
}

impl OrderQuery {
    pub(crate) fn order(&self) -> Result<ToolOrder, Failure> {
        let Some(name) = &self.order else { return Ok(ToolOrder::default()) };
        ToolOrder::named(name).ok_or_else(|| {
            Failure::BadRequest(format!("`order` is one of {}", ToolOrder::ALL.map(|(_, name)| name).join(", ")))
        })
    }
}

/// A query string that was understood, or not.
pub(crate) type Asked<T> = Result<Query<T>, QueryRejection>;

/// A path parameter that was understood, or not.
pub(crate) type Named<T> = Result<Path<T>, PathRejection>;

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(rejection.body_text())
    }
}

impl PageQuery {
    pub(crate) fn page(&self) -> Result<Page, Failure> {
        page(self.limit.as_deref(), self.before.as_deref().or(self.after.as_deref()))
    }
}

impl LogFilter {
    pub(crate) fn query(&self) -> Result<LogQuery, Failure> {
        let mut query = LogQuery::default();
        query.page = page(self.limit.as_deref(), self.before.as_deref())?;
        query.text = self.query.clone().unwrap_or_default();
        query.min_level = self.level.clone().filter(|level| !level.is_empty());
        match &query.min_level {
            Some(level) if !LEVELS.contains(&level.as_str()) => {
                Err(Failure::BadRequest(format!("`level` is one of {}", LEVELS.join(", "))))
            }
            _ => Ok(query),
        }
    }
}

fn page(limit: Option<&str>, after: Option<&str>) -> Result<Page, Failure> {
    let mut page = Page::default();
    if let Some(limit) = limit {
        let limit = limit.parse().map_err(|_| Failure::BadRequest("`limit` is a number from 1 to 1000".to_owned()))?;
        page = page.with_limit(limit);
    }
    if let Some(after) = after {
        page = page.with_after(after.parse().map_err(|error| Failure::BadRequest(format!("{error}")))?);
    }
    Ok(page)
}

/// Reads a path parameter; one that is not of its kind names nothing.
pub(crate) fn named<T>(path: Named<T>) -> Result<T, Failure> {
    path.map(|Path(name)| name).map_err(|_| Failure::NotFound("there is nothing with this id"))
}

/// Reads a trace id in a path.
pub(crate) fn named_trace(path: Named<String>) -> Result<TraceId, Failure> {
    named(path)?.parse().map_err(|_| Failure::NotFound("there is no such trace; a trace id has 32 hex digits"))
}

pub(super) async fn sessions(State(app): State<App>, asked: Asked<PageQuery>) -> Result<Json<SessionList>, Failure> {
    let page = asked?.page()?;
    Ok(Json(app.read(move |store| store.sessions(page)).await?))
}

pub(super) async fn session(
    State(app): State<App>,
    id: Named<String>,
    asked: Asked<PageQuery>,
) -> Result<Json<SessionDetail>, Failure> {
    let (id, page) = (named(id)?, asked?.page()?);
    let session = app.read(move |store| store.session(&id, page)).await?;
    session.map(Json).ok_or(Failure::NotFound("there is no such session"))
}

pub(super) async fn logs(State(app): State<App>, asked: Asked<LogFilter>) -> Result<Json<LogList>, Failure> {
    let query = asked?.query()?;
    Ok(Json(app.read(move |store| store.logs(&query)).await?))
}

pub(super) async fn traces(State(app): State<App>, asked: Asked<PageQuery>) -> Result<Json<TraceList>, Failure> {
    let page = asked?.page()?;
    Ok(Json(app.read(move |store| store.traces(page)).await?))
}

pub(super) async fn trace(State(app): State<App>, id: Named<String>) -> Result<Json<TraceDetail>, Failure> {
    let id = named_trace(id)?;
    let trace = app.read(move |store| store.trace(id)).await?;
    trace.map(Json).ok_or(Failure::NotFound("there is no such trace"))
}

pub(super) async fn issues(State(app): State<App>, asked: Asked<PageQuery>) -> Result<Json<IssueList>, Failure> {
    let page = asked?.page()?;
    Ok(Json(app.read(move |store| store.issues(page)).await?))
}

pub(super) async fn issue(
    State(app): State<App>,
    id: Named<i64>,
    asked: Asked<PageQuery>,
) -> Result<Json<IssueDetail>, Failure> {
    let (id, page) = (named(id)?, asked?.page()?);
    let issue = app.read(move |store| store.issue(id, page)).await?;
    issue.map(Json).ok_or(Failure::NotFound("there is no such issue"))
}

pub(super) async fn stats(State(app): State<App>) -> Result<Json<Stats>, Failure> {
    Ok(Json(app.read(|store| store.stats()).await?))
}

pub(super) async fn overview(State(app): State<App>, asked: Asked<RangeQuery>) -> Result<Json<Overview>, Failure> {
    let range = asked?.range()?;
    Ok(Json(app.read(move |store| store.overview(range, Timestamp::now())).await?))
}

pub(super) async fn tools(State(app): State<App>, asked: Asked<OrderQuery>) -> Result<Json<Vec<Tool>>, Failure> {
    let order = asked?.order()?;
    Ok(Json(app.read(move |store| store.tools(order)).await?))
}

pub(super) async fn search(State(app): State<App>, asked: Asked<SearchQuery>) -> Result<Json<SearchList>, Failure> {
    let asked = asked?;
    let (page, text) = (asked.page()?, asked.query.clone().unwrap_or_default());
    Ok(Json(app.read(move |store| store.search(&text, page)).await?))
}

pub(super) async fn export_session(State(app): State<App>, id: Named<String>) -> Result<Response, Failure> {
    let id = named(id)?;
    let export = app.read(move |store| store.export_session(&id)).await?;
    download(export, "watchpost-session.envelope")
}

pub(super) async fn export_trace(State(app): State<App>, id: Named<String>) -> Result<Response, Failure> {
    let id = named_trace(id)?;
    let export = app.read(move |store| store.export_trace(id)).await?;
    download(export, "watchpost-trace.envelope")
}

pub(super) async fn export_item(State(app): State<App>, id: Named<i64>) -> Result<Response, Failure> {
    let id = named(id)?;
    let export = app.read(move |store| store.export_item(id)).await?;
    download(export, "watchpost-item.envelope")
}

fn download(export: Option<Export>, name: &str) -> Result<Response, Failure> {
    let export = export.ok_or(Failure::NotFound("there is no such thing, or no more: the oldest are pruned"))?;
    let disposition =
        HeaderValue::try_from(format!("attachment; filename=\"{name}\"")).map_err(|_| Failure::Internal)?;
    let mut response = export.envelope.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope"));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// The payload as it came. Whatever it claims to be, a browser is not to run it: JSON, or a download.
pub(super) async fn item(State(app): State<App>, id: Named<i64>) -> Result<Response, Failure> {
    let id = named(id)?;
    let item = app.read(move |store| store.item(id)).await?;
    let item = item.ok_or(Failure::NotFound("there is no such item, or no more: the oldest are pruned"))?;
    let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(&item.payload).is_ok();
    let content_type = if is_json { "application/json" } else { "application/octet-stream" };
    let mut response = item.payload.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if !is_json {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(response)
}
