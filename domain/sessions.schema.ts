import { z } from 'zod';

/** A login. Its limits say nothing about which passwords are allowed. */
export const LoginInput = z.strictObject({
  email: z.string().min(1).max(254).toLowerCase(),
  password: z.string().min(1).max(200),
});
