"""The memory section of INFO."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from commands.instance.instance import Instance
from commands.instance.process import machine_memory, memory_use

Fields = Iterable[tuple[str, object]]


def _human(size: int) -> str:
    if size < 1024:
        return f"{size}B"
    number = float(size)
    for unit in "KMGT":
        number /= 1024
        if number < 1024 or unit == "T":
            return f"{number:.2f}{unit}"
    raise AssertionError


def _script_memory(instance: Instance) -> Fields:
    scripts, libraries = instance.scripts, instance.libraries
    vm_eval = 0 if scripts is None else scripts.memory_used
    vm_functions = 0 if libraries is None else libraries.memory_used
    eval_code = 0 if scripts is None else scripts.code_memory
    function_code = 0 if libraries is None else libraries.code_memory
    yield "used_memory_lua", vm_eval
    yield "used_memory_vm_eval", vm_eval
    yield "used_memory_lua_human", _human(vm_eval)
    yield "used_memory_scripts_eval", eval_code
    yield "number_of_cached_scripts", 0 if scripts is None else len(scripts)
    yield "number_of_functions", 0 if libraries is None else libraries.function_count
    yield "number_of_libraries", 0 if libraries is None else len(libraries)
    yield "used_memory_vm_functions", vm_functions
    yield "used_memory_vm_total", vm_eval + vm_functions
    yield "used_memory_vm_total_human", _human(vm_eval + vm_functions)
    yield "used_memory_functions", function_code
    yield "used_memory_scripts", eval_code + function_code
    yield "used_memory_scripts_human", _human(eval_code + function_code)


def memory_fields(instance: Instance) -> Fields:
    settings = instance.settings
    resident, used = memory_use(), instance.used_memory()
    peak = instance.note_memory(used)
    startup = min(used, instance.startup_memory)
    tables = sum(
        sys.getsizeof(database.data) + sys.getsizeof(database.expires)
        for database in instance.keyspace.databases
        if len(database)
    )
    overhead = startup + tables
    data = max(0, used - overhead)
    machine = machine_memory()
    limit = settings.maxmemory
    yield "used_memory", used
    yield "used_memory_human", _human(used)
    yield "used_memory_rss", resident
    yield "used_memory_rss_human", _human(resident)
    yield "used_memory_peak", peak
    yield "used_memory_peak_human", _human(peak)
    yield "used_memory_peak_perc", f"{100 * used / peak:.2f}%"
    yield "used_memory_overhead", overhead
    yield "used_memory_startup", startup
    yield "used_memory_dataset", data
    yield "used_memory_dataset_perc", f"{100 * data / max(1, used - startup):.2f}%"
    # Python's allocator has no such counters, so these equal the resident memory.
    yield "allocator_allocated", used
    yield "allocator_active", used
    yield "allocator_resident", used
    yield "total_system_memory", machine
    yield "total_system_memory_human", _human(machine)
    yield from _script_memory(instance)
    yield "maxmemory", limit
    yield "maxmemory_human", _human(limit)
    yield "maxmemory_policy", settings.maxmemory_policy
    yield "allocator_frag_ratio", "1.00"
    yield "allocator_frag_bytes", 0
    yield "allocator_rss_ratio", "1.00"
    yield "allocator_rss_bytes", 0
    yield "rss_overhead_ratio", "1.00"
    yield "rss_overhead_bytes", 0
    yield "mem_fragmentation_ratio", "1.00"
    yield "mem_fragmentation_bytes", 0
    yield "mem_not_counted_for_evict", instance.persistence.log.buffered_bytes
    yield "mem_replication_backlog", 0
    yield "mem_total_replication_buffers", 0
    yield "mem_clients_slaves", 0
    yield "mem_clients_normal", instance.client_memory()
    yield "mem_cluster_links", 0
    yield "mem_aof_buffer", instance.persistence.log.buffered_bytes
    yield "mem_allocator", "libc"
    yield "active_defrag_running", 0
    yield "lazyfree_pending_objects", len(instance.keyspace.disposal)
    yield "lazyfreed_objects", instance.keyspace.disposal.freed
