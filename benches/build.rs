//! Compiles the peers in C, one program each; without the feature `c-peers` it does nothing.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=c");
    #[cfg(feature = "c-peers")]
    c_peers::compile_all()?;
    Ok(())
}

#[cfg(feature = "c-peers")]
mod c_peers {
    use std::env;
    use std::error::Error;
    use std::path::Path;

    use pkg_config::Library;

    /// Each program, and the packages it is linked to.
    const PROGRAMS: &[(&str, &[&str])] = &[
        ("event_ivykis", &["ivykis"]),
        ("echo_epoll", &[]),
        ("hops_epoll", &[]),
        ("hops_ivykis", &["ivykis"]),
        ("hops_libuv", &["libuv"]),
        ("hops_tevent", &["tevent", "talloc"]),
        ("timers_ivykis", &["ivykis"]),
        ("timers_libuv", &["libuv"]),
        ("timers_tevent", &["tevent", "talloc"]),
        ("immediate_ivykis", &["ivykis"]),
        ("immediate_tevent", &["tevent", "talloc"]),
        ("queue_tevent", &["tevent", "talloc"]),
        ("signals_ivykis", &["ivykis"]),
        ("signals_libuv", &["libuv"]),
        ("signals_tevent", &["tevent", "talloc"]),
        ("thread_tevent", &["tevent", "talloc"]),
    ];

    pub(crate) fn compile_all() -> Result<(), Box<dyn Error>> {
        PROGRAMS
            .iter()
            .try_for_each(|(program, packages)| match libraries(packages) {
                Ok(libraries) => compile(program, &libraries),
                Err(missing) => {
                    println!("cargo::warning={program} is not built: {missing}");
                    Ok(())
                }
            })
    }

    fn libraries(packages: &[&str]) -> Result<Vec<Library>, pkg_config::Error> {
        let mut config = pkg_config::Config::new();
        let config = config.cargo_metadata(false);
        packages
            .iter()
            .map(|package| config.probe(package))
            .collect()
    }

    /// A program instead of a library: its loop is no concern of ours, and nothing foreign is called from Rust.
    fn compile(program: &str, libraries: &[Library]) -> Result<(), Box<dyn Error>> {
        let mut compiler = cc::Build::new()
            .opt_level(2)
            .try_get_compiler()?
            .to_command();
        compiler
            .arg(format!("c/{program}.c"))
            .arg("-o")
            .arg(Path::new(&env::var("OUT_DIR")?).join(program));
        for library in libraries {
            let headers = library.include_paths.iter();
            compiler.args(headers.map(|path| format!("-I{}", path.display())));
            let folders = library.link_paths.iter();
            compiler.args(folders.map(|path| format!("-L{}", path.display())));
            compiler.args(library.libs.iter().map(|name| format!("-l{name}")));
        }
        match compiler.status()? {
            status if status.success() => Ok(()),
            status => Err(format!("c/{program}.c: the compiler ended with {status}").into()),
        }
    }
}
