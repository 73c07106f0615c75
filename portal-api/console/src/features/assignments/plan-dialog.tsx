import type { AssignmentPlan } from '#/api/types';
import '#/features/teams/words';
import { useWords } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { ErrorState } from '#/ui/states';
import type { Deed } from './order';

type Props = {
  deed: Deed;
  names: { from: string; to: string };
  plan: AssignmentPlan | null;
  isPending: boolean;
  error: unknown;
  /** The accounts are other ones by now. */
  isStale: boolean;
  onAgain: () => void;
  onConfirm: (digest: string) => void;
  onClose: () => void;
};

/** What an order does, with its count; it is done as it stands here, or not at all. */
export function PlanDialog(props: Props) {
  const { deed, names, plan, isPending, error, isStale, onAgain, onConfirm, onClose } = props;
  const t = useWords();
  const isEmpty = plan !== null && plan.made === 0 && plan.ended === 0;
  return (
    <Dialog title={t(`transfer_deed.${deed}`)} isOpen={plan !== null || error !== null} onClose={onClose}>
      <div className="flex flex-col gap-4">
        {plan && (
          <>
            <p className="text-sm text-ink">
              {t(`transfer_plan.${deed}`, { count: plan.accounts, ...names })}
            </p>
            <ul className="flex list-disc flex-col gap-1 pl-5 text-sm text-ink-2 marker:text-ink-3">
              {deed !== 'end' && <li>{t('transfer.made', { count: plan.made })}</li>}
              {deed !== 'assign' && <li>{t('transfer.ended', { count: plan.ended })}</li>}
              <li>{t('transfer.history')}</li>
            </ul>
          </>
        )}
        {error !== null && <ErrorState compact error={error} />}
        <div className="flex flex-wrap justify-end gap-2">
          <Button autoFocus onPress={onClose}>
            {t('ui.cancel')}
          </Button>
          {isStale ? (
            <Button look="primary" onPress={onAgain}>
              {t('transfer.again')}
            </Button>
          ) : (
            plan && (
              <Button
                look="primary"
                onPress={() => onConfirm(plan.digest)}
                isPending={isPending}
                isDisabled={isEmpty}
              >
                {t(`transfer_do.${deed}`, { count: plan.accounts })}
              </Button>
            )
          )}
        </div>
      </div>
    </Dialog>
  );
}
