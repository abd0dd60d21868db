//! What a configuration bounds.

use super::{Auth, Config, machine};
use crate::{
    actors::{kernel::KernelSettings, view::ViewLimits, widget::WidgetLimits},
    budget::BudgetLimits,
    hub::HubLimits,
    protocol::{
        InboundLimits,
        kernel::{KernelInboundLimits, KernelLimits, MAX_HEADER},
    },
    quota::UserLimits,
    sharing::Reach,
    web::half_open::HalfOpenLimits,
};

/// The parts of the descriptors that views of a widget, views of a user, kernels, connections that owe a request, and requests of a caller
/// may have. An address may have four times as many requests.
const SHARES: [usize; 5] = [2, 2, 4, 8, 16];

impl Config {
    /// The bounds on what the server carries.
    pub(crate) fn hub_limits(&self) -> HubLimits {
        let max_memory = self.max_memory.unwrap_or_else(|| machine::memory() / 4 * 3);
        HubLimits {
            max_memory,
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
                memory: self.user_memory.unwrap_or(max_memory / 4).min(max_memory),
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
            budget: BudgetLimits {
                requests_per_second: self.max_requests_per_second,
                requests: self.max_requests_of_caller,
                view_events_per_second: self.max_events_per_second,
            },
            inbound: self.inbound_limits(),
            reach: match self.auth {
                Auth::JupyterHub => Reach::Users,
                Auth::Key => Reach::Links,
                Auth::None => Reach::Nobody,
            },
        }
    }

    /// This configuration, where connections have so many descriptors: no one of what is counted takes most of them. A connection
    /// that asks has two, a view's or kernel's one.
    #[must_use]
    pub(crate) fn within(mut self, descriptors: usize) -> Self {
        let asked = self.counts();
        for (count, share) in self.counts_mut().into_iter().zip(SHARES) {
            *count = (*count).min((descriptors / share).max(1));
        }
        if self.counts() != asked {
            tracing::warn!(
                descriptors,
                max_views = self.max_views,
                user_max_views = self.user_max_views,
                max_kernels = self.max_kernels,
                max_half_open = self.max_half_open,
                max_requests_of_caller = self.max_requests_of_caller,
                "limits are lower than configured, since there may be too few open files: raise the limit of them (ulimit -n, LimitNOFILE=)"
            );
        }
        self
    }

    fn counts(&mut self) -> [usize; 5] {
        self.counts_mut().map(|count| *count)
    }

    /// What takes descriptors.
    fn counts_mut(&mut self) -> [&mut usize; 5] {
        [
            &mut self.max_views,
            &mut self.user_max_views,
            &mut self.max_kernels,
            &mut self.max_half_open,
            &mut self.max_requests_of_caller,
        ]
    }

    /// The bounds on widgets and their views.
    fn widget_limits(&self) -> WidgetLimits {
        WidgetLimits {
            max_views: self.max_views,
            max_views_of_visitor: self.max_views_of_visitor,
            idle: self.idle_timeout,
            max_pixels: self.max_pixels,
            max_frame_pixels: self.max_frame_pixels,
            max_snapshot_pixels: self.max_snapshot_pixels,
            renderer_patience: self.patience.renderer,
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
            answer: self.patience.answer,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_few_descriptors_less_is_let_in_and_with_many_what_is_configured() {
        let few = Config::default().within(160);
        assert_eq!((few.max_views, few.user_max_views, few.max_kernels), (80, 80, 40));
        assert_eq!((few.max_half_open, few.max_requests_of_caller), (20, 10));
        let many = Config::default().within(1 << 20);
        assert_eq!(format!("{many:?}"), format!("{:?}", Config::default()));
    }
}
