//! Header lists as the bytes that they are. The SDK makes two allocations for each header,
//! which costs more than to decide on the request, and traps where these say no.

#![expect(unsafe_code, reason = "the two calls, and the memory that one of them gives")]

use std::ptr;

use keyhole_core::{HeaderList, Malformed};
use proxy_wasm::types::{MapType, Status};

/// `proxy_status_t::PROXY_STATUS_OK`
const OK: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
}

pub(super) fn get(map: MapType) -> Result<HeaderList, Status> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the host writes to these two places, and nowhere else but in what it allocates.
    let status =
        unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut size) };
    if status != OK {
        return Err(Status::InternalFailure);
    }
    if data.is_null() {
        return Ok(HeaderList::default());
    }
    // SAFETY: the host has these bytes from the SDK's `proxy_on_memory_allocate`, which makes
    // a boxed slice of this size and forgets it; and it has filled it.
    let bytes = unsafe { Vec::from_raw_parts(data, size, size) };
    HeaderList::try_from(bytes).map_err(|Malformed| Status::ParseFailure)
}

pub(super) fn set(map: MapType, headers: &HeaderList) -> Result<(), Status> {
    let bytes = headers.as_bytes();
    // SAFETY: the host reads these bytes before it returns.
    let status = unsafe { proxy_set_header_map_pairs(map as u32, bytes.as_ptr(), bytes.len()) };
    if status == OK { Ok(()) } else { Err(Status::InternalFailure) }
}
