//! Loaded by `child/main.cjs` of packages/sandbox with `process.dlopen`: a script cannot make system calls, so this does.
//! Loading it is sealing; it uses nothing of Node and offers nothing to it.

use std::ffi::c_void;

/// The name that Node looks for in an addon (Node-API). Seals all threads of this process, or ends it.
#[unsafe(no_mangle)]
pub extern "C" fn napi_register_module_v1(_environment: *mut c_void, exports: *mut c_void) -> *mut c_void {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    if askee_filter::seal::for_v8().is_err() {
        askee_filter::seal::end(3);
    }
    exports
}
