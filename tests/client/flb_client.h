/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FLB_CLIENT_H
#define _FLB_CLIENT_H

struct dentry;
struct liveupdate_file_handler;

/*
 * luo_file.c calls this in place of liveupdate_test_register() when it is
 * built with -Dliveupdate_test_register=luo_flb_client_register.
 */
void luo_flb_client_register(struct liveupdate_file_handler *fh);

/* Whom FLBs are registered with; NULL until it is there. */
struct liveupdate_file_handler *luo_flb_client_handler(void);

/* FLBs in any number, driven through a file in @dir. */
void luo_flb_mass_init(struct dentry *dir);

/* An FLB that is asked for very early, driven through a file in @dir. */
void luo_flb_early_init(struct dentry *dir);

/* Damages what is handed over, as a file in @dir is told. */
int luo_flb_poke_init(struct dentry *dir);

#endif /* _FLB_CLIENT_H */
