//! How a kernel's widgets are made, or taken over from a kernel that is gone.

use actix::prelude::*;

use super::{Kernel, Member};
use crate::{
    actors::{kernels::OwnName, widget::Adopt},
    handle::WidgetHandle,
    hub::{CreateError, Hub},
    protocol::{
        Refusal,
        kernel::{Create, ServerMessage},
    },
    traits::Traits,
};

/// A widget, and whether it is one of before.
struct Made {
    widget: WidgetHandle,
    /// The traits that the kernel gave it.
    known: Traits,
    taken_over: bool,
}

impl Kernel {
    pub(super) fn create(&mut self, create: Create, ctx: &mut Context<Self>) {
        let (request, number) = (create.request, create.number);
        let owner = self.session.0.clone();
        let place = create.place.clone().map(|place| (owner.clone(), place));
        let made = make(self.hub.clone(), owner, place.clone(), create);
        let notebook_server =
            self.connection.as_ref().and_then(|connection| connection.notebook_server.clone());
        let connection = self.connections;
        ctx.spawn(made.into_actor(self).map(move |made, kernel, ctx| match made {
            // Who asked has connected anew, and asks again.
            Ok(made) if connection != kernel.connections => kernel.hub.close(&made.widget),
            Ok(made) => {
                made.widget.set_notebook_server(notebook_server);
                kernel.add(request, made, number, place, ctx);
            }
            Err(error) => {
                let refusal = Refusal::from(error);
                kernel.hub.counts().refused_message(&refusal);
                kernel.refuse(Some(request), None, &refusal);
            }
        }));
    }

    fn add(
        &mut self,
        request: u64,
        made: Made,
        number: u64,
        place: Option<OwnName>,
        ctx: &mut Context<Self>,
    ) {
        let Made { widget, known, taken_over } = made;
        let id = widget.id().to_owned();
        if let Some(place) = &place {
            self.hub.kernels().place(place.clone(), &id, ctx.address());
        }
        let url = |base: &str| format!("{base}widgets/{id}");
        let url = self.connection.as_ref().map_or_else(String::new, |connection| url(&connection.base));
        self.tell(&ServerMessage::Created { request, widget: &id, url: &url, taken_over });
        if self.connection.is_some() {
            widget.addr().do_send(Adopt { kernel: ctx.address(), fresh: true });
        }
        self.widgets.insert(id.clone(), Member { widget, known, number, place });
        // Who knew the widget's id before may have set some by now.
        self.tell_new_traits(&id);
    }
}

/// Takes over the widget of the place, if its kernel is gone, or makes one.
async fn make(
    hub: Hub,
    owner: Option<String>,
    place: Option<OwnName>,
    create: Create,
) -> Result<Made, CreateError> {
    let mut traits = Traits::default();
    traits.apply(&create.traits)?;
    if let Some(place) = place
        && let Some(orphan) = hub.kernels().orphan(&place).await
        && let Some(widget) = orphan.adopt()
    {
        widget.replace_traits(traits.clone());
        widget.reset_stats();
        return Ok(Made { widget, known: traits, taken_over: true });
    }
    let widget = hub.create_for_kernel(create.kind, create.widget, owner, traits.clone())?;
    Ok(Made { widget, known: traits, taken_over: false })
}
