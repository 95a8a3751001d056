/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The trace events of FLB objects. One that is off costs a nop.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM luo_flb

#if !defined(_LUO_FLB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _LUO_FLB_TRACE_H

#include <linux/liveupdate.h>
#include <linux/tracepoint.h>

/* An FLB is registered with a handler, or not any more, at once or (-EBUSY) with its last file. */
DECLARE_EVENT_CLASS(luo_flb_registration,
	TP_PROTO(const struct liveupdate_file_handler *fh, const struct liveupdate_flb *flb,
		 int err),
	TP_ARGS(fh, flb, err),
	TP_STRUCT__entry(
		__array(char, name, LIVEUPDATE_FLB_COMPAT_LENGTH)
		__array(char, handler, LIVEUPDATE_HNDL_COMPAT_LENGTH)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy_pad(__entry->name, flb->compatible, LIVEUPDATE_FLB_COMPAT_LENGTH);
		strscpy_pad(__entry->handler, fh->compatible, LIVEUPDATE_HNDL_COMPAT_LENGTH);
		__entry->err = err;
	),
	TP_printk("name=%s handler=%s err=%d", __entry->name, __entry->handler, __entry->err)
);

DEFINE_EVENT(luo_flb_registration, luo_flb_register,
	TP_PROTO(const struct liveupdate_file_handler *fh, const struct liveupdate_flb *flb,
		 int err),
	TP_ARGS(fh, flb, err)
);

DEFINE_EVENT(luo_flb_registration, luo_flb_unregister,
	TP_PROTO(const struct liveupdate_file_handler *fh, const struct liveupdate_flb *flb,
		 int err),
	TP_ARGS(fh, flb, err)
);

/*
 * A callback has run: for the first or the last file of a handler, or (NULL) for a reference, which
 * a last file has too that finds its object not retrieved.
 */
TRACE_EVENT(luo_flb_callback,
	TP_PROTO(const char *what, const struct liveupdate_file_handler *fh,
		 const struct liveupdate_flb *flb, u64 data, int err, s64 ns),
	TP_ARGS(what, fh, flb, data, err, ns),
	TP_STRUCT__entry(
		__string(what, what)
		__array(char, name, LIVEUPDATE_FLB_COMPAT_LENGTH)
		__array(char, handler, LIVEUPDATE_HNDL_COMPAT_LENGTH)
		__field(u64, data)
		__field(int, err)
		__field(s64, ns)
	),
	TP_fast_assign(
		__assign_str(what);
		strscpy_pad(__entry->name, flb->compatible, LIVEUPDATE_FLB_COMPAT_LENGTH);
		strscpy_pad(__entry->handler, fh ? fh->compatible : "-",
			    LIVEUPDATE_HNDL_COMPAT_LENGTH);
		__entry->data = data;
		__entry->err = err;
		__entry->ns = ns;
	),
	TP_printk("%s name=%s handler=%s data=%#llx err=%d ns=%lld", __get_str(what),
		  __entry->name, __entry->handler, __entry->data, __entry->err, __entry->ns)
);

/* An FLB is written into the array for the next kernel, for the files of a handler. */
TRACE_EVENT(luo_flb_serialize,
	TP_PROTO(const char *name, u64 data, u32 files),
	TP_ARGS(name, data, files),
	TP_STRUCT__entry(
		__array(char, name, LIVEUPDATE_FLB_COMPAT_LENGTH)
		__field(u64, data)
		__field(u32, files)
	),
	TP_fast_assign(
		strscpy_pad(__entry->name, name, LIVEUPDATE_FLB_COMPAT_LENGTH);
		__entry->data = data;
		__entry->files = files;
	),
	TP_printk("name=%s data=%#llx files=%u", __entry->name, __entry->data, __entry->files)
);

/* What the previous kernel handed over is refused. */
TRACE_EVENT(luo_flb_refuse,
	TP_PROTO(const char *what, u64 number),
	TP_ARGS(what, number),
	TP_STRUCT__entry(
		__string(what, what)
		__field(u64, number)
	),
	TP_fast_assign(
		__assign_str(what);
		__entry->number = number;
	),
	TP_printk("%s (%llu, %#llx)", __get_str(what), __entry->number, __entry->number)
);

#endif /* _LUO_FLB_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../kernel/liveupdate/flb
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
