// SPDX-License-Identifier: GPL-2.0
//
// What the guest runs; program.rs does the same work. It begins in long mode with interrupts off.
// Each second it changes some words of its memory, adds up all of them, and has a line about it on
// its serial port, the first words of which come before the work.
//
//	rdi	at first: how often the TSC ticks in a second
//	rsi	at first: where memory ends
//	r8, r9	what the generator multiplies by, and adds
//	r10	words of memory to work on
//	r12	number of the line
//	r13	state of the generator
//	r14	TSC ticks in a second
//	r15	where memory ends
//	rbx	when it last looked at the TSC
//	rbp	the longest it has not looked since the last line, in TSC ticks

.pushsection .rodata
.globl vm_program
vm_program:
	mov	esp, {STACK}
	mov	r14, rdi
	mov	r15, rsi

	// A gate for the timer. What is above 4 GiB of an address is zero, as the memory is.
	lea	rax, [rip + .Lvm_timer]
	mov	edi, {IDT} + 16 * {VECTOR}
	mov	[rdi], ax
	mov	dword ptr [rdi + 2], 0x8e000000 + {CODE}
	shr	rax, 16
	mov	[rdi + 6], ax
	lidt	[rip + .Lvm_idt]

	// The local APIC: by MSRs, on, and its timer at a value of the TSC.
	mov	ecx, 0x1b
	rdmsr
	or	eax, 0xc00
	wrmsr
	xor	edx, edx
	mov	ecx, 0x80f
	mov	eax, 0x1ff
	wrmsr
	mov	ecx, 0x832
	mov	eax, 0x40000 + {VECTOR}
	wrmsr

	movabs	r8, {MULTIPLIER}
	movabs	r9, {INCREMENT}
	mov	r10, r15
	sub	r10, {WORK}
	shr	r10, 3
	xor	r13d, r13d
	mov	edi, {WORK}
2:	imul	r13, r8
	add	r13, r9
	mov	[rdi], r13
	add	rdi, 8
	cmp	rdi, r15
	jb	2b

	xor	r12d, r12d
	call	.Lvm_look
	xor	ebp, ebp
.Lvm_second:
	inc	r12
	lea	rsi, [rip + .Lvm_tick]
	call	.Lvm_text
	mov	rax, r12
	call	.Lvm_decimal

	mov	ecx, {CHANGES}
2:	imul	r13, r8
	add	r13, r9
	mov	rax, r13
	mul	r10
	add	[rdx * 8 + {WORK}], r13
	dec	ecx
	jnz	2b

	pxor	xmm0, xmm0
	pxor	xmm1, xmm1
	mov	edi, {WORK}
2:	mov	ecx, 4096 / 16
3:	paddq	xmm0, [rdi]
	paddq	xmm1, xmm0
	add	rdi, 16
	dec	ecx
	jnz	3b
	call	.Lvm_look
	cmp	rdi, r15
	jb	2b

	lea	rsi, [rip + .Lvm_sum]
	call	.Lvm_text
	movq	rdi, xmm0
	pshufd	xmm0, xmm0, 0xee
	movq	rax, xmm0
	rol	rdi, 8
	xor	rdi, rax
	movq	rax, xmm1
	rol	rdi, 8
	xor	rdi, rax
	pshufd	xmm1, xmm1, 0xee
	movq	rax, xmm1
	rol	rdi, 8
	xor	rdi, rax
	call	.Lvm_hexadecimal
	lea	rsi, [rip + .Lvm_at]
	call	.Lvm_text
	mov	rax, rbx
	call	.Lvm_microseconds
	lea	rsi, [rip + .Lvm_still]
	call	.Lvm_text
	mov	rax, rbp
	xor	ebp, ebp
	call	.Lvm_microseconds
	lea	rsi, [rip + .Lvm_end]
	call	.Lvm_text

	// Sleep for a second, in which it is right not to look.
	call	.Lvm_look
	add	rbx, r14
	mov	rax, rbx
	mov	rdx, rbx
	shr	rdx, 32
	mov	ecx, 0x6e0
	wrmsr
	sti
	hlt
	cli
	call	.Lvm_look
	jmp	.Lvm_second

.Lvm_look:
	rdtsc
	shl	rdx, 32
	or	rax, rdx
	mov	rdx, rax
	sub	rdx, rbx
	mov	rbx, rax
	cmp	rdx, rbp
	cmovg	rbp, rdx
	ret

.Lvm_timer:
	push	rax
	push	rcx
	push	rdx
	xor	eax, eax
	xor	edx, edx
	mov	ecx, 0x80b
	wrmsr
	pop	rdx
	pop	rcx
	pop	rax
	iretq

.Lvm_text:
	mov	edx, {PORT}
2:	lodsb
	test	al, al
	jz	3f
	out	dx, al
	jmp	2b
3:	ret

.Lvm_microseconds:
	mov	edx, 1000000
	mul	rdx
	div	r14
.Lvm_decimal:
	mov	ecx, 10
	xor	esi, esi
2:	xor	edx, edx
	div	rcx
	add	edx, '0'
	push	rdx
	inc	esi
	test	rax, rax
	jnz	2b
	mov	edx, {PORT}
3:	pop	rax
	out	dx, al
	dec	esi
	jnz	3b
	ret

.Lvm_hexadecimal:
	mov	edx, {PORT}
	mov	ecx, 16
2:	rol	rdi, 4
	mov	eax, edi
	and	eax, 15
	add	eax, '0'
	cmp	eax, '9'
	jbe	3f
	add	eax, 'a' - '9' - 1
3:	out	dx, al
	dec	ecx
	jnz	2b
	ret

.Lvm_tick:
	.asciz	"tick "
.Lvm_sum:
	.asciz	" sum "
.Lvm_at:
	.asciz	" at "
.Lvm_still:
	.asciz	" us, stood still "
.Lvm_end:
	.asciz	" us\n"

	.balign	8
.Lvm_idt:
	.word	16 * {VECTOR} + 15
	.quad	{IDT}

.globl vm_program_end
vm_program_end:
.popsection
