//! Errors: the library's status and its message.
use diffulm_sys as sys;
use std::ffi::{CStr, CString};
use std::fmt;

/// What a call of the library failed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// One of [`crate::status`].
    pub status: i32,
    /// Names the file, line, key, tensor or position at fault, and what was expected.
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The outcome (0 or more), or the error whose message this thread's last call left.
pub(crate) fn check(status: i32) -> Result<i32> {
    if status >= 0 {
        return Ok(status);
    }
    let message = unsafe { CStr::from_ptr(sys::diffulm_error_message()) };
    Err(Error { status, message: message.to_string_lossy().into_owned() })
}

pub(crate) fn argument(message: &str) -> Error {
    Error { status: sys::DIFFULM_E_ARGUMENT, message: message.to_owned() }
}

/// A path or name for C.
pub(crate) fn c_text(text: impl AsRef<std::path::Path>) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(text.as_ref().as_os_str().as_bytes()).map_err(|_| argument("a path or name holds a NUL"))
}

/// What a function writes that fills (buffer, capacity, length).
pub(crate) fn filled<T: Copy + Default>(mut call: impl FnMut(*mut T, usize, *mut usize) -> i32) -> Result<Vec<T>> {
    let mut out = vec![T::default(); 256];
    let mut length = 0;
    if check(call(out.as_mut_ptr(), out.len(), &mut length))? == sys::DIFFULM_BUFFER_TOO_SMALL {
        out.resize(length + 1, T::default());
        check(call(out.as_mut_ptr(), out.len(), &mut length))?;
    }
    out.truncate(length);
    Ok(out)
}

pub(crate) fn filled_text(mut call: impl FnMut(*mut std::os::raw::c_char, usize, *mut usize) -> i32) -> Result<String> {
    let bytes = filled::<u8>(|buffer, capacity, length| call(buffer.cast(), capacity, length))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
