//! Who makes a request, and which widgets are theirs. Routes get widgets from here and from nowhere else.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::StatusCode,
    web::{Data, Path},
};

use super::{jupyterhub::Lease, ticket::Permit};
use crate::{
    handle::{Identity, WidgetHandle},
    web::{error::ApiError, routes::Site},
};

/// Who makes a request, as the guard found out.
#[derive(Clone)]
pub enum Caller {
    /// Whoever has the key, or anybody where none is asked for. There are no users then, and every widget is theirs.
    Anyone,
    /// A user of a `JupyterHub`.
    User(Lease),
    /// Whoever has a ticket: one widget, in one role.
    Guest(Permit),
}

impl Caller {
    /// To whom what this caller makes belongs; `None` where there are no users.
    pub fn owner(&self) -> Option<String> {
        match self {
            Self::User(lease) => Some(lease.user().name.clone()),
            Self::Anyone | Self::Guest(_) => None,
        }
    }

    /// What has to hold for as long as this caller is connected, if anything has to.
    pub fn lease(&self) -> Option<&Lease> {
        match self {
            Self::User(lease) => Some(lease),
            Self::Anyone | Self::Guest(_) => None,
        }
    }

    /// Whether this caller may see what is told of everybody's widgets.
    ///
    /// # Errors
    /// 403 when not.
    pub fn sees_all(&self) -> Result<(), ApiError> {
        let all = match self {
            Self::Anyone => true,
            Self::User(lease) => lease.user().admin,
            Self::Guest(_) => false,
        };
        let message = "the metrics tell of everybody's widgets: they are for administrators, for the Hub's tokens with the scope \
            read:metrics, and for the token of --metrics-token";
        if all { Ok(()) } else { Err(ApiError::new(StatusCode::FORBIDDEN, "scope", message)) }
    }

    /// Whether a widget is this caller's to use.
    fn may_use(&self, widget: &Identity) -> bool {
        match self {
            Self::Anyone => true,
            Self::User(lease) => {
                let user = lease.user();
                user.admin || widget.owner.as_ref() == Some(&user.name)
            }
            Self::Guest(permit) => permit.widget == widget.id,
        }
    }

    /// The widget of that id.
    ///
    /// # Errors
    /// 404 when there is none, and just the same when it is another user's.
    pub fn widget(&self, site: &Site, id: &str) -> Result<WidgetHandle, ApiError> {
        let found = site.hub.registry().get(id).filter(|widget| self.may_use(widget.identity()));
        found.ok_or_else(|| ApiError::no_widget(id))
    }

    /// The widgets that are this caller's to use, the oldest first.
    pub fn widgets(&self, site: &Site) -> Vec<WidgetHandle> {
        let mut all = site.hub.registry().all();
        all.retain(|widget| self.may_use(widget.identity()));
        all
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of(request))
    }
}

/// The widget that a request names in its path, if it is the caller's to use.
pub struct Named(pub WidgetHandle);

impl FromRequest for Named {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let named = of(request).and_then(|caller| {
            let site = request.app_data::<Data<Site>>().expect("the site is registered with the routes");
            let id = Path::<String>::from_request(request, payload).into_inner();
            let id = id.map_err(|error| ApiError::bad_request(error.to_string()))?;
            caller.widget(site, &id).map(Named)
        });
        ready(named)
    }
}

/// Whom the guard let in. A route that it does not guard has nobody to answer.
fn of(request: &HttpRequest) -> Result<Caller, ApiError> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "nobody is signed in"))
}
