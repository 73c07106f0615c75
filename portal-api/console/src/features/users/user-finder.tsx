import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import type { User } from '#/api/types';
import { ComboBox } from '#/ui/combo-box';
import { userNamesQuery } from './queries';

type Props = {
  label: string;
  placeholder: string;
  /** Those who are chosen already. */
  without: readonly string[];
  onAdd: (user: User) => void;
};

/** Finds somebody by name or address, hands them on, and is empty again for the next one. */
export function UserFinder({ label, placeholder, without, onAdd }: Props) {
  const [typed, setTyped] = useState('');
  const [round, setRound] = useState(0);
  const asked = useDeferredValue(typed.trim());
  const found = useQuery(userNamesQuery(asked)).data ?? [];
  const others = found.filter((user) => !without.includes(user.id));
  return (
    <ComboBox
      key={round}
      label={label}
      placeholder={placeholder}
      value=""
      onType={setTyped}
      onChange={(id) => {
        const user = others.find((one) => one.id === id);
        if (!user) return;
        setTyped('');
        setRound(round + 1);
        onAdd(user);
      }}
      choices={others.map((user) => ({ value: user.id, label: `${user.name} · ${user.email}` }))}
    />
  );
}
