//! What a user's scopes let them do beyond their own widgets. To look is one right, to act another, as at the Hub itself, where who sees
//! its administration page may not by that enter anybody's server.

/// The Hub's scopes that give a say.
#[derive(Debug, Clone)]
pub struct SayScopes {
    /// Numbers of everybody: who has and takes what.
    pub observe: String,
    /// To change what a user may take.
    pub limits: String,
    /// To see and use widgets: of everybody, or of those whom a filter names.
    pub act: String,
}

/// What a user may do beyond the own widgets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Say {
    /// Whether everybody's numbers are theirs to see.
    pub observes: bool,
    /// Whether everybody's limits are theirs to change.
    pub limits: bool,
    /// Whose widgets are theirs to see and use.
    acts: Vec<Over>,
}

/// Whose widgets a scope is about, by its filter.
#[derive(Debug, PartialEq, Eq)]
enum Over {
    Everybody,
    User(String),
    Group(String),
    /// What kernels of one notebook server draw: the user's of that name, empty for the default one.
    Server(String, String),
}

/// Whose a widget is, as filters tell it apart.
#[derive(Debug, Clone, Copy)]
pub struct Belongs<'a> {
    /// The user; `None` if it is nobody's.
    pub owner: Option<&'a str>,
    /// The notebook server whose kernel draws it.
    pub server: Option<&'a str>,
}

impl Say {
    /// What scopes give, as the Hub tells them of a token: with their filters, the shorthands among these written out.
    pub fn of(scopes: &[String], names: &SayScopes) -> Self {
        let has = |name: &String| scopes.contains(name);
        let acts = scopes.iter().filter_map(|scope| over(scope.strip_prefix(names.act.as_str())?)).collect();
        Self { observes: has(&names.observe), limits: has(&names.limits), acts }
    }

    /// Whether a widget is theirs to see and use. The groups of its owner are asked for where a filter names one.
    pub fn acts_on(&self, whose: Belongs, owner_is_in: impl Fn(&str) -> bool) -> bool {
        self.acts.iter().any(|over| match over {
            Over::Everybody => true,
            Over::User(user) => whose.owner == Some(user),
            Over::Group(group) => owner_is_in(group),
            Over::Server(user, server) => whose.owner == Some(user) && whose.server == Some(server),
        })
    }
}

/// Whom the rest of a scope names, after its name.
fn over(rest: &str) -> Option<Over> {
    if rest.is_empty() {
        return Some(Over::Everybody);
    }
    match rest.strip_prefix('!')?.split_once('=')? {
        ("user", user) => Some(Over::User(user.to_owned())),
        ("group", group) => Some(Over::Group(group.to_owned())),
        ("server", server) => {
            let (user, server) = server.split_once('/')?;
            Some(Over::Server(user.to_owned(), server.to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(scopes: &[&str]) -> Say {
        let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let [observe, limits, act] = ["admin-ui", "admin:users", "access:servers"].map(str::to_owned);
        Say::of(&scopes, &SayScopes { observe, limits, act })
    }

    /// Whether these scopes reach a widget of Bob's, who is in the group `lab`, drawn by his server `gpu`.
    fn reaches(scopes: &[&str]) -> bool {
        say(scopes).acts_on(Belongs { owner: Some("bob"), server: Some("gpu") }, |group| group == "lab")
    }

    #[test]
    fn to_look_is_not_to_act_and_the_other_way_round() {
        let looks = say(&["admin-ui", "list:users"]);
        assert!(looks.observes && !looks.limits && looks.acts.is_empty());
        assert!(say(&["admin:users"]).limits);
        let acts = say(&["access:servers"]);
        assert!(!acts.observes && !acts.limits);
        assert!(!reaches(&["admin-ui", "admin:users", "self"]));
    }

    #[test]
    fn a_filter_reaches_whom_it_names_and_nobody_else() {
        for scope in ["", "!user=bob", "!group=lab", "!server=bob/gpu"] {
            assert!(reaches(&["self", &format!("access:servers{scope}")]), "{scope}");
        }
        for scope in [
            "!user=ann",
            "!user=bobby",
            "!user=",
            "!group=laboratory",
            "!server=bob/",
            "!server=ann/gpu",
            "!server=bob",
            "!user",
            "!service=bob",
            "bob",
            ":bob",
            " ",
            "!",
        ] {
            assert!(!reaches(&[&format!("access:servers{scope}")]), "{scope}");
        }
        assert!(!reaches(&["access:services", "access:services!user=bob", "admin:servers"]));
        // What is nobody's is for those alone who reach everybody.
        let nobodys = Belongs { owner: None, server: None };
        assert!(say(&["access:servers"]).acts_on(nobodys, |_| false));
        assert!(!say(&["access:servers!user=", "access:servers!server=/"]).acts_on(nobodys, |_| false));
    }
}
