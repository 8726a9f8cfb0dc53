//! Which file of `src/` uses which other, read from their text.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A module's path below `src/`: `["db_proxy", "group", "create"]`.
pub type Module = Vec<String>;

/// For each module, the modules whose items it names. Unit tests are left out.
pub struct Graph(pub BTreeMap<Module, BTreeSet<Module>>);

impl Graph {
    /// Reads the modules of `src/` whose path begins with one of `roots`.
    pub fn read(roots: &[&str]) -> Self {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = BTreeMap::new();
        for root in roots {
            collect(&src.join(root), vec![root.to_string()], &mut texts);
        }
        Self::of(&texts)
    }

    /// The graph of modules with these texts.
    pub fn of(texts: &BTreeMap<Module, String>) -> Self {
        let known: BTreeSet<Module> = texts.keys().cloned().collect();
        let uses = texts.iter().map(|(module, text)| (module.clone(), used(module, text, &known)));
        Self(uses.collect())
    }

    /// A shortest circle of modules that use each other; `None` if there is none.
    pub fn circle(&self) -> Option<Vec<Module>> {
        let circles = self.0.keys().filter_map(|start| self.way_back(start));
        circles.min_by_key(Vec::len)
    }

    fn way_back(&self, start: &Module) -> Option<Vec<Module>> {
        let mut from = BTreeMap::new();
        let mut next = vec![start];
        while !next.is_empty() {
            let mut after = Vec::new();
            for module in next {
                for used in &self.0[module] {
                    if used == start {
                        return Some(walked(&from, start, module));
                    }
                    if !from.contains_key(used) {
                        from.insert(used, module);
                        after.push(used);
                    }
                }
            }
            next = after;
        }
        None
    }
}

/// The modules from `start` to `end`, by the steps that were taken.
fn walked(from: &BTreeMap<&Module, &Module>, start: &Module, end: &Module) -> Vec<Module> {
    let mut way = vec![end.clone()];
    while way.last() != Some(start) {
        way.push(from[way.last().expect("begins with the end")].clone());
    }
    way.reverse();
    way
}

/// The text of each module in a folder, without tests.
fn collect(folder: &Path, module: Module, texts: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_str().expect("UTF-8").to_string();
        if ["tests", "testing", "test_env"].contains(&name.as_str()) {
            continue;
        }
        let child = || module.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            collect(&path, child(), texts);
        } else {
            let of = if name == "mod" { module.clone() } else { child() };
            texts.insert(of, fs::read_to_string(&path).expect("a file of src"));
        }
    }
}

/// The modules that a text names items of.
fn used(module: &Module, text: &str, known: &BTreeSet<Module>) -> BTreeSet<Module> {
    let code = code(text);
    let mut names = children(module, known);
    let mut used = BTreeSet::new();
    let mut take = |path: &Module| {
        let longest =
            (1..=path.len()).rev().map(|n| path[..n].to_vec()).find(|p| known.contains(p));
        // A module that is only named, as the parent of what is imported from it, is not used.
        used.extend(longest.filter(|found| found != module && found.len() < path.len()));
    };
    let (imports, rest) = split_imports(&code);
    for import in imports {
        for (path, name) in leaves(&import) {
            let Some(path) = absolute(module, &path, &names) else { continue };
            match known.contains(&path) {
                true => drop(names.insert(name, path)),
                false => take(&path),
            }
        }
    }
    for path in paths(&rest) {
        if let Some(path) = absolute(module, &path, &names) {
            take(&path);
        }
    }
    used
}

/// Without comments and the unit tests at the end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules below a module, which its text may name without a prefix.
fn children(module: &Module, known: &BTreeSet<Module>) -> BTreeMap<String, Module> {
    let below =
        known.iter().filter(|child| child.len() == module.len() + 1 && child.starts_with(module));
    below.map(|child| (child[module.len()].clone(), child.clone())).collect()
}

/// The trees of the `use` statements, and what is left of the text.
fn split_imports(code: &str) -> (Vec<String>, String) {
    let (mut imports, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        let start = start.strip_prefix("pub ").unwrap_or(start);
        let Some(first) = start.strip_prefix("use ") else {
            rest += line;
            rest += "\n";
            continue;
        };
        let mut tree = first.to_string();
        while !tree.ends_with(';') {
            tree += lines.next().expect("a use statement ends").trim();
        }
        imports.push(tree.trim_end_matches(';').to_string());
    }
    (imports, rest)
}

/// The paths that a `use` tree imports, each with the name that it has here; `self` stands for its
/// parent.
fn leaves(tree: &str) -> Vec<(Module, String)> {
    let Some((prefix, inner)) = tree.split_once('{') else {
        let (path, alias) = match tree.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim())),
            None => (tree, None),
        };
        let mut path: Module = path.trim().split("::").map(str::to_string).collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = alias.unwrap_or(&path[path.len() - 1]).to_string();
        return vec![(path, name)];
    };
    let inner = inner.trim_end().strip_suffix('}').expect("a closed tree");
    let mut depth = 0;
    let parts = inner.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| leaves(&format!("{prefix}{part}"))).collect()
}

/// All `a::b::c` of a text.
fn paths(code: &str) -> Vec<Module> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !is_part(c)).filter(|word| word.contains("::"));
    words.map(|word| word.trim_matches(':').split("::").map(str::to_string).collect()).collect()
}

/// A path from the root of `src/`; `None` if it leads out of it.
fn absolute(module: &Module, path: &Module, names: &BTreeMap<String, Module>) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    let mut base = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => module[..module.len() - 1].to_vec(),
        name => names.get(name)?.clone(),
    };
    for part in rest {
        match part.as_str() {
            "super" => drop(base.pop()),
            part => base.push(part.to_string()),
        }
    }
    Some(base)
}
