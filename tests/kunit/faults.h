/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail on demand.
 */
#ifndef _LUO_FLB_FAULTS_H
#define _LUO_FLB_FAULTS_H

int luo_flb_faults_install(void);
void luo_flb_faults_remove(void);
void luo_flb_faults_begin(unsigned int first, unsigned int last);
unsigned int luo_flb_faults_end(void);

#endif /* _LUO_FLB_FAULTS_H */
