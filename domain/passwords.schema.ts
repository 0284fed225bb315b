import { z } from 'zod';

/** A password that somebody chooses; `passwordProblem` has the rules that need the account. */
export const NewPassword = z.string().min(10).max(200);

export const PasswordChange = z.strictObject({
  currentPassword: z.string().min(1).max(200),
  newPassword: NewPassword,
});

export const PasswordResetRequest = z.strictObject({
  email: z.email().max(254).toLowerCase(),
});

export const PasswordResetConfirmation = z.strictObject({
  token: z.string().min(1).max(200),
  password: NewPassword,
});
