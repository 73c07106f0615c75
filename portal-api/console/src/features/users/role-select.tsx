import type { RoleName } from '#/api/types';
import { ROLES, useAccessWords } from '#/features/access/permissions';
import { useWords } from '#/lib/words';
import { Select } from '#/ui/select';

type Props = { value: RoleName; onChange: (role: RoleName) => void; isDisabled?: boolean };

/** A role, with what it is for. */
export function RoleSelect({ value, onChange, isDisabled }: Props) {
  const t = useWords();
  const words = useAccessWords();
  return (
    <Select
      label={t('users.role')}
      name="role"
      help={words.roleText(value)}
      value={value}
      onChange={(role) => onChange(ROLES.find((one) => one === role) ?? value)}
      choices={ROLES.map((role) => ({ value: role, label: words.role(role) }))}
      isDisabled={isDisabled}
      isRequired
    />
  );
}
