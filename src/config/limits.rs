//! What a configuration bounds.

use super::{Auth, Config};
use crate::{
    actors::{kernel::KernelSettings, view::ViewLimits, widget::WidgetLimits},
    hub::HubLimits,
    protocol::{
        InboundLimits,
        kernel::{KernelInboundLimits, KernelLimits, MAX_HEADER},
    },
    quota::UserLimits,
    sharing::Reach,
    web::half_open::HalfOpenLimits,
};

impl Config {
    /// The bounds on what the server carries.
    pub(crate) fn hub_limits(&self) -> HubLimits {
        HubLimits {
            max_widgets: self.max_widgets,
            max_metrics_widgets: self.metrics_max_widgets,
            max_kernels: self.max_kernels,
            user: UserLimits {
                max_widgets: self.user_max_widgets,
                max_views: self.user_max_views,
                max_kernels: self.user_max_kernels,
                pixels_per_second: self.user_megapixels * 1e6,
                encoder_threads: self.user_encoder_threads,
                weight: 1.0,
            },
            user_weights: self.user_weights.iter().cloned().collect(),
            widget: self.widget_limits(),
            kernel: KernelSettings {
                grace: self.kernel_grace,
                silence: self.patience.kernel,
                asked: self.patience.kernel_asked,
                hello: self.patience.kernel_hello,
                limits: KernelLimits {
                    message_bytes: self.max_message_bytes,
                    header_bytes: MAX_HEADER,
                    frame_pixels: self.max_frame_pixels,
                },
            },
            ticket_lifetime: self.ticket_lifetime,
            inbound: self.inbound_limits(),
            reach: match self.auth {
                Auth::JupyterHub => Reach::Users,
                Auth::Key => Reach::Links,
                Auth::None => Reach::Nobody,
            },
        }
    }

    /// The bounds on widgets and their views.
    fn widget_limits(&self) -> WidgetLimits {
        WidgetLimits {
            max_views: self.max_views,
            idle: self.idle_timeout,
            max_pixels: self.max_pixels,
            max_frame_pixels: self.max_frame_pixels,
            max_snapshot_pixels: self.max_snapshot_pixels,
            view: ViewLimits {
                deadline: self.deadline,
                silence: self.patience.view,
                target_latency: self.target_latency,
            },
        }
    }

    /// The bounds on connections that owe a request.
    pub(crate) fn half_open_limits(&self) -> HalfOpenLimits {
        HalfOpenLimits {
            in_all: self.max_half_open,
            of_address: self.max_half_open_of_address,
            patience: self.patience.request,
        }
    }

    /// The bounds on what a view's connection sends.
    pub(crate) fn inbound_limits(&self) -> InboundLimits {
        InboundLimits {
            max_message_bytes: self.max_message_bytes,
            max_events_per_second: self.max_events_per_second,
        }
    }

    /// The bounds on what a kernel's connection sends.
    pub(crate) fn kernel_inbound_limits(&self) -> KernelInboundLimits {
        KernelInboundLimits {
            max_message_bytes: self.max_message_bytes,
            max_frame_pixels: self.max_frame_pixels,
        }
    }
}
