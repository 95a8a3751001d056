/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FLB_CLIENT_H
#define _FLB_CLIENT_H

struct liveupdate_file_handler;

/*
 * luo_file.c calls this in place of liveupdate_test_register() when it is
 * built with -Dliveupdate_test_register=luo_flb_client_register.
 */
void luo_flb_client_register(struct liveupdate_file_handler *fh);

#endif /* _FLB_CLIENT_H */
