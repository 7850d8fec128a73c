//! The functions of WASI preview-1, in the order of its specification.

use super::{Call, Errno, Guest, Halt, Refused, Wasi};
use crate::fuel;
use crate::limits::IO_VECTORS_MAX;

type Done = Result<(), Refused>;

const STDIN: u64 = 0;
const STDOUT: u64 = 1;
const STDERR: u64 = 2;

/// Rights of preview-1 that the standard streams have.
const RIGHT_READ: u64 = 1 << 1;
const RIGHT_WRITE: u64 = 1 << 6;
const RIGHT_STAT: u64 = 1 << 21;
/// Highest clock of preview-1; all stand still at 0.
const CLOCK_MAX: u64 = 3;

/// All functions of preview-1, so that every program links.
pub(crate) const CALLS: [Call; 46] = [
    call("args_get", "ii", args_get),
    call("args_sizes_get", "ii", args_sizes_get),
    call("environ_get", "ii", |_, _, _| Ok(())),
    call("environ_sizes_get", "ii", environ_sizes_get),
    call("clock_res_get", "ii", clock_res_get),
    call("clock_time_get", "iji", clock_time_get),
    call("fd_advise", "ijji", no_file),
    call("fd_allocate", "ijj", no_file),
    call("fd_close", "i", fd_close),
    call("fd_datasync", "i", no_file),
    call("fd_fdstat_get", "ii", fd_fdstat_get),
    call("fd_fdstat_set_flags", "ii", no_file),
    call("fd_fdstat_set_rights", "ijj", no_file),
    call("fd_filestat_get", "ii", fd_filestat_get),
    call("fd_filestat_set_size", "ij", no_file),
    call("fd_filestat_set_times", "ijji", no_file),
    call("fd_pread", "iiiji", not_seekable),
    call("fd_prestat_get", "ii", bad_file),
    call("fd_prestat_dir_name", "iii", bad_file),
    call("fd_pwrite", "iiiji", not_seekable),
    call("fd_read", "iiii", fd_read),
    call("fd_readdir", "iiiji", no_file),
    call("fd_renumber", "ii", no_file),
    call("fd_seek", "ijii", not_seekable),
    call("fd_sync", "i", no_file),
    call("fd_tell", "ii", not_seekable),
    call("fd_write", "iiii", fd_write),
    call("path_create_directory", "iii", bad_file),
    call("path_filestat_get", "iiiii", bad_file),
    call("path_filestat_set_times", "iiiijji", bad_file),
    call("path_link", "iiiiiii", bad_file),
    call("path_open", "iiiiijjii", bad_file),
    call("path_readlink", "iiiiii", bad_file),
    call("path_remove_directory", "iii", bad_file),
    call("path_rename", "iiiiii", bad_file),
    call("path_symlink", "iiiii", bad_file),
    call("path_unlink_file", "iii", bad_file),
    call("poll_oneoff", "iiii", |_, _, _| Err(Errno::NOT_SUPPORTED.into())),
    call("proc_exit", "i", proc_exit),
    call("proc_raise", "i", |_, _, _| Err(Errno::NO_SYSTEM_CALL.into())),
    call("sched_yield", "", |_, _, _| Ok(())),
    call("random_get", "ii", random_get),
    call("sock_accept", "iii", bad_file),
    call("sock_recv", "iiiiii", bad_file),
    call("sock_send", "iiiii", bad_file),
    call("sock_shutdown", "ii", bad_file),
];

const fn call(
    name: &'static str,
    parameters: &'static str,
    run: fn(&mut Wasi, &mut Guest<'_>, &[u64]) -> Done,
) -> Call {
    Call { name, parameters, run }
}

fn args_get(wasi: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    let (mut pointers, mut buffer) = (arguments[0], arguments[1]);
    for argument in &wasi.arguments {
        let length = length(argument) + 1;
        guest.charge_bytes(length + 4)?;
        guest.write_u32(pointers, u32::try_from(buffer).map_err(|_| Errno::FAULT)?)?;
        guest.write(buffer, argument)?;
        guest.write(buffer + length - 1, &[0])?;
        pointers += 4;
        buffer += length;
    }
    Ok(())
}

fn args_sizes_get(wasi: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    let bytes = wasi.arguments.iter().map(|argument| length(argument) + 1).sum();
    write_size(guest, arguments[0], length(&wasi.arguments))?;
    write_size(guest, arguments[1], bytes)
}

fn environ_sizes_get(_: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    write_size(guest, arguments[0], 0)?;
    write_size(guest, arguments[1], 0)
}

fn clock_res_get(_: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    clock(guest, arguments[0], arguments[1], 1)
}

fn clock_time_get(_: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    clock(guest, arguments[0], arguments[2], 0)
}

fn fd_close(wasi: &mut Wasi, _: &mut Guest<'_>, arguments: &[u64]) -> Done {
    *stream(wasi, arguments[0])? = false;
    Ok(())
}

fn fd_fdstat_get(wasi: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    stream(wasi, arguments[0])?;
    let direction = if arguments[0] == STDIN { RIGHT_READ } else { RIGHT_WRITE };
    // File type "unknown", as of pipes: libraries then buffer whole blocks.
    let mut fdstat = [0; 24];
    fdstat[8..16].copy_from_slice(&(direction | RIGHT_STAT).to_le_bytes());
    Ok(guest.write(arguments[1], &fdstat)?)
}

fn fd_filestat_get(wasi: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    stream(wasi, arguments[0])?;
    Ok(guest.write(arguments[1], &[0; 64])?)
}

fn fd_read(wasi: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    if arguments[0] != STDIN {
        return Err(Errno::BAD_FILE.into());
    }
    stream(wasi, STDIN)?;
    let mut read = 0;
    for (pointer, room) in io_vectors(guest, arguments[1], arguments[2])? {
        let left = &wasi.input[wasi.input_position..];
        let count = room.min(length(left));
        guest.charge_bytes(count)?;
        let target = guest.bytes(pointer, count)?;
        target.copy_from_slice(&left[..target.len()]);
        wasi.input_position += target.len();
        read += count;
    }
    write_size(guest, arguments[3], read)
}

fn fd_write(wasi: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    if arguments[0] == STDIN {
        return Err(Errno::BAD_FILE.into());
    }
    stream(wasi, arguments[0])?;
    let mut written = 0;
    for (pointer, count) in io_vectors(guest, arguments[1], arguments[2])? {
        guest.charge_bytes(count)?;
        let bytes = guest.bytes(pointer, count)?;
        match arguments[0] {
            STDOUT if length(&wasi.output) + count > wasi.output_bytes_max => {
                return Err(Halt::OutputTooLarge.into());
            }
            STDOUT => wasi.output.extend_from_slice(bytes),
            STDERR => wasi.write_log(bytes),
            _ => return Err(Errno::BAD_FILE.into()),
        }
        written += count;
    }
    write_size(guest, arguments[3], written)
}

fn proc_exit(_: &mut Wasi, _: &mut Guest<'_>, arguments: &[u64]) -> Done {
    let status = u32::try_from(arguments[0]).expect("i32 arguments come as 32 bits");
    Err(Halt::Exit(status).into())
}

fn random_get(wasi: &mut Wasi, guest: &mut Guest<'_>, arguments: &[u64]) -> Done {
    guest.charge(arguments[1].saturating_mul(fuel::RANDOM_BYTE))?;
    let target = guest.bytes(arguments[0], arguments[1])?;
    wasi.random.fill(target);
    Ok(())
}

/// Operations of files, on descriptors that can only be streams.
fn no_file(wasi: &mut Wasi, _: &mut Guest<'_>, arguments: &[u64]) -> Done {
    stream(wasi, arguments[0])?;
    Err(Errno::NOT_SUPPORTED.into())
}

fn not_seekable(wasi: &mut Wasi, _: &mut Guest<'_>, arguments: &[u64]) -> Done {
    stream(wasi, arguments[0])?;
    Err(Errno::NOT_SEEKABLE.into())
}

/// Operations on directories and sockets, which no descriptor is.
fn bad_file(_: &mut Wasi, _: &mut Guest<'_>, _: &[u64]) -> Done {
    Err(Errno::BAD_FILE.into())
}

fn clock(guest: &mut Guest<'_>, clock: u64, target: u64, value: u64) -> Done {
    if clock > CLOCK_MAX {
        return Err(Errno::INVALID.into());
    }
    Ok(guest.write(target, &value.to_le_bytes())?)
}

/// Whether an open stream has this descriptor: the mark to close it by.
fn stream(wasi: &mut Wasi, descriptor: u64) -> Result<&mut bool, Errno> {
    let index = usize::try_from(descriptor).map_err(|_| Errno::BAD_FILE)?;
    wasi.open.get_mut(index).filter(|open| **open).ok_or(Errno::BAD_FILE)
}

/// Reads a list of buffers: pointer and length of each.
fn io_vectors(guest: &mut Guest<'_>, pointer: u64, count: u64) -> Result<Vec<(u64, u64)>, Refused> {
    if count > u64::from(IO_VECTORS_MAX) {
        return Err(Errno::INVALID.into());
    }
    guest.charge_bytes(count * 8)?;
    let mut vectors = Vec::new();
    for index in 0..count {
        let buffer = guest.read_u32(pointer + index * 8)?;
        let length = guest.read_u32(pointer + index * 8 + 4)?;
        vectors.push((u64::from(buffer), u64::from(length)));
    }
    Ok(vectors)
}

fn write_size(guest: &mut Guest<'_>, pointer: u64, size: u64) -> Done {
    let size = u32::try_from(size).map_err(|_| Errno::INVALID)?;
    Ok(guest.write_u32(pointer, size)?)
}

fn length<T>(slice: &[T]) -> u64 {
    u64::try_from(slice.len()).expect("usize is at most 64 bits")
}
