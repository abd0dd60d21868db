//! Who makes a request, and which widgets are theirs. Routes get widgets from here and from nowhere else.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Deserialize;

use super::{
    jupyterhub::{Belongs, Lease},
    ticket::Permit,
};
use crate::{
    actors::view::Viewer,
    audit::Audit,
    clock::unix_millis,
    handle::WidgetHandle,
    protocol::view::Role,
    quota::Whose,
    sharing::{self, Granted, Opened, Shares},
    web::{error::ApiError, forwarded::Origin, routes::Site},
};

/// Who makes a request, as the guard found out.
#[derive(Clone)]
pub enum Caller {
    /// Whoever has the key, or anybody where none is asked for. There are no users then, and every widget is theirs.
    Anyone,
    /// A user of a `JupyterHub`, with the links that the user's browser keeps.
    User(Lease, Vec<Opened>),
    /// Whoever has links, and nothing else.
    Visitor(Vec<Opened>),
    /// Whoever has a ticket: one widget, in one role, in a browser with that session.
    Guest(Permit, Session),
}

/// Who is signed in with the browser of somebody who has a ticket.
#[derive(Clone)]
pub enum Session {
    /// Nobody whose session matters, or nobody knows.
    None,
    /// The widget's owner: the view ends with that session.
    Owners(Lease),
    /// Somebody was, and is signed out.
    Over,
}

/// What a caller may do with a widget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Everything.
    Own,
    /// Everything, of another's: an administrator's.
    Administer,
    /// What its owner lets others do.
    Shared(Granted),
}

impl Right {
    /// The most that a view may do.
    pub fn role(self) -> Role {
        match self {
            Self::Own | Self::Administer => Role::Interact,
            Self::Shared(granted) => granted.role,
        }
    }

    /// Who is charged for what is made for it alone.
    pub fn asks_as(self) -> Whose {
        match self {
            Self::Own => Whose::Owner,
            Self::Administer | Self::Shared(_) => Whose::Visitors,
        }
    }

    /// Whether it is to do everything.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Own | Self::Administer)
    }

    /// What people are told of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "owner",
            Self::Administer => "administrator",
            Self::Shared(granted) => granted.role.name(),
        }
    }
}

impl Caller {
    /// To whom what this caller makes belongs; `None` where there are no users.
    pub fn owner(&self) -> Option<String> {
        match self {
            Self::User(lease, _) => Some(lease.user().name.clone()),
            Self::Anyone | Self::Visitor(_) | Self::Guest(..) => None,
        }
    }

    /// What has to hold for as long as this caller is connected, if anything has to.
    pub fn lease(&self) -> Option<&Lease> {
        match self {
            Self::User(lease, _) | Self::Guest(_, Session::Owners(lease)) => Some(lease),
            Self::Anyone | Self::Visitor(_) | Self::Guest(..) => None,
        }
    }

    /// Whether the caller's browser is one whose user is signed out.
    pub fn is_signed_out(&self) -> bool {
        matches!(self, Self::Guest(_, Session::Over))
    }

    /// Whose a view is that this caller opens.
    pub fn viewer(&self) -> Viewer {
        match self {
            Self::Anyone => Viewer::Anyone,
            Self::User(lease, _) => Viewer::User(lease.user().name.clone()),
            Self::Visitor(_) => Viewer::Link,
            Self::Guest(..) => Viewer::Ticket,
        }
    }

    /// A user's name, or what let somebody else in.
    fn described(&self) -> String {
        match self {
            Self::Anyone => "key".to_owned(),
            Self::User(lease, _) => format!("user {}", lease.user().name),
            Self::Visitor(links) => {
                let shares: Vec<_> = links.iter().map(|link| link.share.as_str()).collect();
                format!("link {}", shares.join(" "))
            }
            Self::Guest(..) => "ticket".to_owned(),
        }
    }

    /// Whether everybody's numbers are this caller's to see: who has and takes what. That is not to see or use anybody's widget.
    pub fn observes(&self) -> bool {
        match self {
            Self::Anyone => true,
            Self::User(lease, _) => lease.user().say.observes,
            Self::Visitor(_) | Self::Guest(..) => false,
        }
    }

    /// Lets those through who see everybody's numbers.
    ///
    /// # Errors
    /// 403 for others, with the message.
    pub fn sees_all(&self, message: &str) -> Result<(), ApiError> {
        let denied = || ApiError::new(StatusCode::FORBIDDEN, "scope", message);
        self.observes().then_some(()).ok_or_else(denied)
    }

    /// Lets those through who may change what users may take.
    ///
    /// # Errors
    /// 403 for others, with the message.
    pub fn sets_limits(&self, message: &str) -> Result<(), ApiError> {
        let may = match self {
            Self::Anyone => true,
            Self::User(lease, _) => lease.user().say.limits,
            Self::Visitor(_) | Self::Guest(..) => false,
        };
        may.then_some(()).ok_or_else(|| ApiError::new(StatusCode::FORBIDDEN, "scope", message))
    }

    /// What this caller may do with a widget now; `None` when to this caller there is no such widget.
    pub fn right(&self, widget: &WidgetHandle) -> Option<Right> {
        self.right_at(widget, unix_millis())
    }

    /// What this caller may do with a widget at Unix time `now` in milliseconds.
    pub fn right_at(&self, widget: &WidgetHandle, now: u64) -> Option<Right> {
        let server = widget.notebook_server();
        let whose = Belongs { owner: widget.identity().owner.as_deref(), server: server.as_deref() };
        self.right_in(widget.id(), whose, widget.shares(), now)
    }

    /// What this caller may do with a widget of that id, that is whose it is, with these shares, at Unix time `now` in milliseconds.
    fn right_in(&self, id: &str, whose: Belongs, shares: &Shares, now: u64) -> Option<Right> {
        let (lease, links) = match self {
            Self::Anyone => return Some(Right::Own),
            Self::Guest(permit, _) => {
                let granted = Granted { role: permit.role, until: None };
                return (permit.widget == id).then_some(Right::Shared(granted));
            }
            Self::User(lease, links) => (Some(lease), links),
            Self::Visitor(links) => (None, links),
        };
        let user = lease.map(Lease::user);
        if user.is_some_and(|user| whose.owner == Some(&user.name)) {
            return Some(Right::Own);
        }
        if lease.is_some_and(|lease| lease.acts_on(whose)) {
            return Some(Right::Administer);
        }
        let links: Vec<_> = links.iter().filter(|link| link.widget == id).cloned().collect();
        let visitor = sharing::Visitor {
            user: user.map(|user| user.name.as_str()),
            groups: user.map_or(&[], |user| &user.groups),
            links: &links,
        };
        shares.granted(visitor, now).map(Right::Shared)
    }

    /// Whether this right of the caller's rests on a share or on a scope, and ends with that.
    pub fn may_end(&self, right: Right) -> bool {
        right != Right::Own && !matches!(self, Self::Guest(..))
    }

    /// How often it is worth asking for [`Caller::renewed`], if ever.
    pub fn looks_every(&self) -> Option<Duration> {
        self.lease().map(Lease::looks_every)
    }

    /// This caller, with what the Hub says now. A user who is signed out stays as before: the lease's own watch ends what
    /// there is to end.
    pub async fn renewed(self) -> Self {
        match self {
            Self::User(lease, links) => Self::User(lease.renewed().await, links),
            other => other,
        }
    }

    /// The widget of that id, and what the caller may do with it.
    ///
    /// # Errors
    /// 404 when there is none, and just the same when it is another user's and not shared with the caller. 503 while one that is
    /// the caller's, or shared with the caller, is not back after a restart.
    pub fn widget(&self, site: &Site, id: &str) -> Result<(WidgetHandle, Right), ApiError> {
        let found = site.hub.registry().get(id);
        let found = found.and_then(|widget| self.right(&widget).map(|right| (widget, right)));
        found.ok_or_else(|| {
            let awaited = site.hub.ledger().awaited(id);
            let right = awaited.and_then(|(owner, shares)| {
                self.right_in(id, Belongs { owner: owner.as_deref(), server: None }, &shares, unix_millis())
            });
            if right.is_some() || self.awaits(site, id) {
                ApiError::awaited(id)
            } else {
                ApiError::no_widget(id)
            }
        })
    }

    /// Whether the widget of that id would be the caller's own, if its kernel brings it back after a restart.
    fn awaits(&self, site: &Site, id: &str) -> bool {
        match self {
            Self::Anyone => site.hub.registry().awaits(id, None),
            Self::User(lease, _) => site.hub.registry().awaits(id, Some(&lease.user().name)),
            Self::Guest(..) | Self::Visitor(_) => false,
        }
    }

    /// The widgets of which this caller is told, the oldest first, and what the caller may do with each; `None` where that is no more
    /// than to see its numbers.
    pub fn widgets(&self, site: &Site) -> Vec<(WidgetHandle, Option<Right>)> {
        let (all, observes) = (site.hub.registry().all().into_iter(), self.observes());
        let told = all.map(|widget| {
            let right = self.right(&widget);
            (widget, right)
        });
        told.filter(|(_, right)| observes || right.is_some()).collect()
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of(request))
    }
}

/// The widget that a request names in its path, if the caller may see it, and what the caller may do with it.
pub struct Named(pub WidgetHandle, pub Right);

/// The widget that a request names in its path, if the caller may see its numbers.
pub struct Observed(pub WidgetHandle);

/// The widget that a request names in its path, if the caller may act in it.
pub struct Acting(pub WidgetHandle);

/// The widget that a request names in its path, if it is the caller's own, or an administrator's to use.
pub struct Owned(pub WidgetHandle);

/// The part of a path that names a widget.
#[derive(Deserialize)]
struct WidgetPath {
    id: String,
}

impl FromRequest for Named {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let named = named(request, payload, |site, caller, id| caller.widget(site, id));
        ready(named.map(|(widget, right)| Self(widget, right)))
    }
}

impl FromRequest for Observed {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(named(request, payload, |site, caller, id| {
            let observed = site.hub.registry().get(id).filter(|_| caller.observes());
            let widget = || caller.widget(site, id).map(|(widget, _)| widget);
            observed.map_or_else(widget, Ok).map(Self)
        }))
    }
}

/// The widget that a request names in its path, found in some way for who makes it.
fn named<T>(
    request: &HttpRequest,
    payload: &mut Payload,
    find: impl FnOnce(&Site, &Caller, &str) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let caller = of(request)?;
    let site = request.app_data::<Data<Site>>().expect("the site is registered with the routes");
    let path = Path::<WidgetPath>::from_request(request, payload).into_inner();
    let path = path.map_err(|error| ApiError::bad_request(error.to_string()))?;
    find(site, &caller, &path.id)
}

impl FromRequest for Acting {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let acting = Named::from_request(request, payload).into_inner().and_then(|Named(widget, right)| {
            let message = "the widget is shared with you to watch: ask its owner to share it to interact";
            let denied = || ApiError::new(StatusCode::FORBIDDEN, "role", message);
            if right == Right::Administer {
                audit(request).used(&widget);
            }
            (right.role() == Role::Interact).then(|| Self(widget)).ok_or_else(denied)
        });
        ready(acting)
    }
}

impl FromRequest for Owned {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let owned = Named::from_request(request, payload).into_inner().and_then(|Named(widget, right)| {
            let message = "the widget is shared with you: only its owner may do this";
            let denied = || ApiError::new(StatusCode::FORBIDDEN, "not_owner", message);
            if right == Right::Administer {
                audit(request).used(&widget);
            }
            right.is_whole().then(|| Self(widget)).ok_or_else(denied)
        });
        ready(owned)
    }
}

impl FromRequest for Audit {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(audit(request)))
    }
}

/// Who makes a request, for the log.
pub fn audit(request: &HttpRequest) -> Audit {
    let by = request.extensions().get::<Caller>().map_or_else(|| "nobody".to_owned(), Caller::described);
    let site = request.app_data::<Data<Site>>();
    let from = site.map(|site| Origin::of(request, &site.trusted_proxies).client);
    Audit { by, from, deed: format!("{} {}", request.method(), request.path()) }
}

/// Whom the guard let in. A route that it does not guard has nobody to answer.
fn of(request: &HttpRequest) -> Result<Caller, ApiError> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "nobody is signed in"))
}
