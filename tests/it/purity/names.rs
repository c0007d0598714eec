//! What some code names, and what a rule forbids of it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, UseTree};

use super::Rule;
use super::sources::is_for_tests;

/// Macros that make a value or state what cannot be.
const VALUE_MACROS: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "concat",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "format",
    "format_args",
    "matches",
    "panic",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

/// Returns what a rule forbids in some code of a file `part.rs` in the module's folder.
pub(super) fn offences_in(rule: &Rule, code: &str) -> Vec<String> {
    let file = syn::parse_file(code).expect("code that parses");
    offences_at(rule, vec![rule.module.to_owned(), "part".to_owned()], &file)
}

pub(super) fn offences_at(rule: &Rule, module: Vec<String>, file: &syn::File) -> Vec<String> {
    let mut names = Names {
        module: module.clone(),
        ..Names::default()
    };
    names.visit_file(file);
    let mut check = Check {
        rule,
        module,
        names: &names,
        offences: BTreeSet::new(),
    };
    for path in &names.imported {
        check.absolute(path);
    }
    check.visit_file(file);
    check.offences.into_iter().collect()
}

/// What the names in a file stand for.
#[derive(Default)]
struct Names {
    module: Vec<String>,
    /// By the name in this file: the path it was imported from, beginning with `crate` or the name of a crate.
    aliases: BTreeMap<String, Vec<String>>,
    /// All imports, globs ending with `*`.
    imported: Vec<Vec<String>>,
    /// Modules declared in this file.
    modules: BTreeSet<String>,
}

impl Names {
    fn import(&mut self, tree: &UseTree, before: &[String]) {
        match tree {
            UseTree::Path(path) => {
                let mut before = before.to_vec();
                before.push(path.ident.to_string());
                self.import(&path.tree, &before);
            }
            UseTree::Name(name) => self.name(before, &name.ident.to_string(), None),
            UseTree::Rename(rename) => {
                self.name(
                    before,
                    &rename.ident.to_string(),
                    Some(rename.rename.to_string()),
                );
            }
            UseTree::Glob(_) => self.name(before, "*", None),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before);
                }
            }
        }
    }

    fn name(&mut self, before: &[String], last: &str, rename: Option<String>) {
        let mut path = before.to_vec();
        if last != "self" || path.is_empty() {
            path.push(last.to_owned());
        }
        let name = rename.or_else(|| path.last().cloned()).expect("a path");
        let path = absolute(&path, &self.module);
        self.aliases.insert(name, path.clone());
        self.imported.push(path);
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_for_tests(&module.attrs) {
            return;
        }
        self.modules.insert(module.ident.to_string());
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.import(&item.tree, &[]);
        }
    }
}

/// Writes a path from the root: `super` and `self` become the modules they stand for.
fn absolute(path: &[String], module: &[String]) -> Vec<String> {
    let mut here = module.to_vec();
    let mut rest = path;
    let mut is_ours = false;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => here.clear(),
            "self" => {}
            "super" => {
                here.pop();
            }
            _ => break,
        }
        is_ours = true;
        rest = after;
    }
    if !is_ours {
        return path.to_vec();
    }
    let root = ["crate".to_owned()];
    root.into_iter()
        .chain(here)
        .chain(rest.iter().cloned())
        .collect()
}

struct Check<'a> {
    rule: &'a Rule,
    module: Vec<String>,
    names: &'a Names,
    offences: BTreeSet<String>,
}

impl Check<'_> {
    /// Judges a path as it stands in the code.
    fn path(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if let Some(alias) = self.names.aliases.get(first) {
            let full: Vec<String> = alias.iter().chain(rest).cloned().collect();
            self.absolute(&full);
        } else if rest.is_empty() {
            return;
        } else {
            let is_type = first.starts_with(char::is_uppercase);
            let is_local = is_type
                || PRIMITIVES.contains(&first.as_str())
                || self.names.modules.contains(first);
            if !is_local {
                self.absolute(&absolute(path, &self.module));
            }
        }
        // Whatever stands before it, a pure module asks nothing for the time.
        if self.rule.is_pure && path.last().is_some_and(|last| last == "now") {
            self.offend(path);
        }
    }

    /// Judges a path from the root.
    fn absolute(&mut self, path: &[String]) {
        let is_allowed = match path {
            [root, module, ..] if root == "crate" => {
                module == self.rule.module || self.rule.ours.contains(&module.as_str())
            }
            [root] if root == "crate" => false,
            [root, ..] if self.names.modules.contains(root) => true,
            [root, rest @ ..] => {
                let is_glob = rest.last().is_some_and(|last| last == "*");
                let may = self
                    .rule
                    .crates
                    .is_none_or(|crates| crates.contains(&root.as_str()));
                may && !(is_glob && self.rule.is_pure)
            }
            [] => true,
        };
        let text = path.join("::");
        let is_never = self.rule.never.iter().any(|never| {
            text.strip_prefix(never)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        if !is_allowed || is_never {
            self.offend(path);
        }
    }

    fn offend(&mut self, path: &[String]) {
        self.offences.insert(path.join("::"));
    }

    fn impure(&mut self, what: &str) {
        if self.rule.is_pure {
            self.offences.insert(what.to_owned());
        }
    }

    /// Judges the paths among the tokens of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.path(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.path(&std::mem::take(&mut path));
                    self.tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.path(&std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.path(&path);
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    let segments = path.segments.iter();
    segments.map(|segment| segment.ident.to_string()).collect()
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_for_tests(&module.attrs) {
            return;
        }
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.absolute(&[item.ident.to_string()]);
    }

    fn visit_item_foreign_mod(&mut self, _: &'ast syn::ItemForeignMod) {
        self.impure("extern");
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_some() {
            self.absolute(&segments(path));
        } else {
            self.path(&segments(path));
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        // `<Utc>::now` names its type apart from the function.
        if expression.qself.is_some()
            && expression
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "now")
        {
            self.impure("<…>::now");
        }
        visit::visit_expr_path(self, expression);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.asyncness.is_some() {
            self.impure("async fn");
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, expression: &'ast syn::ExprAsync) {
        self.impure("async block");
        visit::visit_expr_async(self, expression);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if closure.asyncness.is_some() {
            self.impure("async closure");
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = segments(&called.path);
        let is_value = matches!(name.as_slice(), [name] if VALUE_MACROS.contains(&name.as_str()));
        if !is_value {
            self.impure(&format!("{}!", name.join("::")));
        }
        self.path(&name);
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("derive")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.tokens(list.tokens.clone());
        }
    }
}
